/*
 * Random changes of one file, each checked against a model in memory: write, append, mapped write,
 * truncate, fallocate in its modes, copy_file_range, SEEK_DATA and SEEK_HOLE, fsync, reopen.
 *
 *     sparse SEED STEPS PATH [PATH]
 *
 * Two paths are one file seen through two mounts: then each step opens it anew, and nothing is mapped.
 * Exit 0, or 1 with a line that says what was wrong and after what.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST (2 * 1024 * 1024 + 70000)

static unsigned char model[LONGEST], found[LONGEST];
static size_t size;
static uint32_t state;
static const char *paths[2];
static int count, fd = -1;
static char did[200] = "creation";
static unsigned long step, seed;
static unsigned char *map;
static size_t length_mapped;

static void fail(const char *format, ...) {
  va_list list;
  va_start(list, format);
  printf("seed %lu, step %lu, after %s: ", seed, step, did);
  vprintf(format, list);
  printf("\n");
  va_end(list);
  exit(1);
}

static uint32_t next(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

/* Near the borders of pages, chunks and blocks more often than elsewhere. */
static size_t somewhere(void) {
  static const uint32_t units[] = {1, 4096, 8192, 65536, 1024 * 1024};
  uint32_t unit = units[next(5)];
  size_t at = (size_t)unit * next(LONGEST / unit);
  if (next(3) == 0 && at > 4) at += next(9) - 4;
  if (size < 8192 && next(3) > 0) at = next(8000);
  return at < LONGEST ? at : LONGEST - 1;
}

static size_t some(size_t from) {
  static const uint32_t lengths[] = {100, 9000, 65536, 700000};
  size_t length = 1 + next(lengths[next(4)]);
  if (size < 8192 && next(3) > 0) length = 1 + next(3000);
  return length < LONGEST - from ? length : LONGEST - from;
}

static void grow(size_t to) {
  if (to > size) size = to;
}

static void must(int ok, const char *call) {
  if (!ok) fail("%s: %s", call, strerror(errno));
}

static void reopen(void) {
  if (fd >= 0) must(close(fd) == 0, "close");
  fd = open(paths[count == 2 ? next(2) : 0], O_RDWR | O_CREAT, 0644);
  must(fd >= 0, "open");
}

static void put(size_t at, size_t length, int append) {
  memset(found, (int)(1 + next(255)), length);
  snprintf(did, sizeof did, "%s of %zu at %zu", append ? "append" : "write", length, at);
  memcpy(model + at, found, length);
  grow(at + length);
  int other = append ? open(paths[0], O_WRONLY | O_APPEND) : fd;
  must(other >= 0, "open to append");
  for (size_t done = 0; done < length;) {
    ssize_t n = append ? write(other, found + done, length - done)
                       : pwrite(other, found + done, length - done, (off_t)(at + done));
    must(n > 0, "write");
    done += (size_t)n;
  }
  if (append) must(close(other) == 0, "close");
}

/* The mapping stays for some steps: what is punched, cut or written by calls must show in it. */
static void mapped(void) {
  if (size == 0 || count == 2) return;
  if (map != NULL && next(3) == 0) {
    snprintf(did, sizeof did, "munmap");
    must(munmap(map, length_mapped) == 0, "munmap");
    map = NULL;
    return;
  }
  if (map == NULL) {
    length_mapped = size;
    map = mmap(NULL, length_mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(map != MAP_FAILED, "mmap");
  }
  size_t end = length_mapped < size ? length_mapped : size;
  size_t at = next((uint32_t)end), length = some(at);
  if (at + length > end) length = end - at;
  snprintf(did, sizeof did, "mapped write of %zu at %zu of %zu", length, at, length_mapped);
  int byte = (int)(1 + next(255));
  memset(map + at, byte, length);
  memset(model + at, byte, length);
  if (next(3) == 0) must(msync(map, end, MS_SYNC) == 0, "msync");
}

static void shrink(void) {
  size_t to = next(5) == 0 ? 0 : somewhere();
  snprintf(did, sizeof did, "truncate from %zu to %zu", size, to);
  if (to < size) memset(model + to, 0, size - to);
  size = to;
  must(ftruncate(fd, (off_t)to) == 0, "ftruncate");
}

static void space(int mode, const char *name) {
  size_t at = somewhere(), length = some(at);
  snprintf(did, sizeof did, "%s of %zu at %zu, mode %d", name, length, at, mode);
  if (fallocate(fd, mode, (off_t)at, (off_t)length) != 0) {
    if (errno == EOPNOTSUPP) return;
    fail("fallocate: %s", strerror(errno));
  }
  if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) memset(model + at, 0, length);
  if (!(mode & FALLOC_FL_KEEP_SIZE)) grow(at + length);
}

static void copy(void) {
  if (size == 0) return;
  size_t from = next((uint32_t)size), length = some(from), to = somewhere();
  if (next(2)) from &= ~(size_t)65535, to &= ~(size_t)65535;
  if (from + length > size) length = size - from;
  if (to + length > LONGEST) length = LONGEST - to;
  if (from < to + length && to < from + length) return;
  snprintf(did, sizeof did, "copy of %zu from %zu to %zu", length, from, to);
  off_t in = (off_t)from, out = (off_t)to;
  for (size_t left = length; left > 0;) {
    ssize_t n = copy_file_range(fd, &in, fd, &out, left, 0);
    must(n > 0, "copy_file_range");
    left -= (size_t)n;
  }
  memmove(model + to, model + from, length);
  grow(to + length);
}

static int zeros(size_t from, size_t to) {
  for (; from < to && from < size; from++)
    if (model[from] != 0) return 0;
  return 1;
}

static void seek(void) {
  size_t at = somewhere();
  snprintf(did, sizeof did, "seek from %zu of %zu", at, size);
  off_t data = lseek(fd, (off_t)at, SEEK_DATA);
  if (data < 0 && errno != ENXIO) fail("SEEK_DATA: %s", strerror(errno));
  if (data >= 0 && ((size_t)data < at || (size_t)data >= size)) fail("data at %lld", (long long)data);
  if (!zeros(at, data < 0 ? size : (size_t)data)) fail("data before %lld", (long long)data);
  off_t hole = lseek(fd, (off_t)at, SEEK_HOLE);
  if ((hole < 0) != (at >= size)) fail("hole at %lld", (long long)hole);
  if (hole < 0) return;
  if ((size_t)hole < at || (size_t)hole > size) fail("hole at %lld", (long long)hole);
  if (!zeros((size_t)hole, ((size_t)hole | 4095) + 1)) fail("data in hole %lld", (long long)hole);
}

static void check(void) {
  struct stat is;
  if (count == 2) reopen();
  must(fstat(fd, &is) == 0, "fstat");
  if ((size_t)is.st_size != size) fail("size %lld instead of %zu", (long long)is.st_size, size);
  for (size_t done = 0; done < size;) {
    ssize_t n = pread(fd, found + done, size - done, (off_t)done);
    must(n > 0, "pread");
    done += (size_t)n;
  }
  for (size_t at = 0; at < size; at++)
    if (found[at] != model[at]) fail("byte %zu of %zu is %d, not %d", at, size, found[at], model[at]);
  for (size_t at = 0; map != NULL && at < size && at < length_mapped; at++)
    if (map[at] != model[at]) fail("mapped byte %zu of %zu is %d, not %d", at, size, map[at], model[at]);
}

int main(int argc, char **argv) {
  if (argc < 4 || argc > 5) return 2;
  seed = strtoul(argv[1], NULL, 10);
  state = (uint32_t)seed * 2654435761u | 1;
  unsigned long steps = strtoul(argv[2], NULL, 10);
  count = argc - 3;
  for (int i = 0; i < count; i++) paths[i] = argv[3 + i];
  const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  reopen();
  for (step = 1; step <= steps; step++) {
    uint32_t kind = next(24);
    if (count == 2) reopen();
    if (kind < 4) {
      size_t at = somewhere();
      put(at, some(at), 0);
    } else if (kind < 6) {
      if (size < LONGEST) put(size, some(size), 1);
    } else if (kind < 9) mapped();
    else if (kind < 11) shrink();
    else if (kind < 14) space(punch, "punch");
    else if (kind < 15) space(FALLOC_FL_ZERO_RANGE, "zero");
    else if (kind < 16) space(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, "zero");
    else if (kind < 17) space(0, "allocate");
    else if (kind < 18) space(FALLOC_FL_KEEP_SIZE, "allocate");
    else if (kind < 20) copy();
    else if (kind < 22) seek();
    else if (kind < 23) must(fsync(fd) == 0, "fsync");
    else reopen();
    check();
  }
  return 0;
}
