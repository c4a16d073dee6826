/*
 * Reads and writes of a file past the page cache, on a thread of libuv, by way of aligned memory that is used again, unless what
 * is written is aligned by itself.
 *
 * Source: open(2), O_DIRECT; cachestat(2), linux/mman.h.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of memory, positions and lengths: no disk asks for more. */
#define ALIGNMENT 4096

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

typedef struct {
  uint8_t *bytes;
  size_t length;
} memory_t;

/* Memory of a caller, and for reads where in the file its bytes are. */
typedef struct {
  memory_t memory;
  int64_t position;
} piece_t;

typedef struct job {
  napi_deferred deferred;
  napi_async_work work;
  napi_ref kept[2];
  int (*call)(const struct job *job);
  int direct;
  int cached;
  int64_t position;
  int result;
  memory_t room;
  uint32_t count;
  piece_t pieces[];
} job_t;

static int write_aligned(const job_t *job, const uint8_t *bytes, size_t length, int64_t position)
{
  for (size_t done = 0; done < length;) {
    ssize_t count = pwrite(job->direct, bytes + done, length - done, position + (int64_t)done);
    if (count < 0 && errno == EINTR) continue;
    /* What goes on has to be aligned. */
    count -= count > 0 ? count % ALIGNMENT : 0;
    if (count <= 0) return count < 0 ? errno : EIO;
    done += (size_t)count;
  }
  return 0;
}

/* Whether the pieces lie one behind the other where the disk takes them from; `whole` is all of them then. */
static bool is_aligned(const job_t *job, memory_t *whole)
{
  *whole = (memory_t){ job->count > 0 ? job->pieces[0].memory.bytes : NULL, 0 };
  for (uint32_t i = 0; i < job->count; i++) {
    const memory_t *piece = &job->pieces[i].memory;
    if (piece->bytes != whole->bytes + whole->length) return false;
    whole->length += piece->length;
  }
  return ((uintptr_t)whole->bytes | whole->length) % ALIGNMENT == 0;
}

static int write_pieces(const job_t *job)
{
  memory_t whole;
  if (is_aligned(job, &whole)) return write_aligned(job, whole.bytes, whole.length, job->position);
  int64_t position = job->position;
  size_t filled = 0;
  for (uint32_t i = 0; i < job->count; i++) {
    memory_t from = job->pieces[i].memory;
    while (from.length > 0) {
      size_t free_bytes = job->room.length - filled;
      size_t part = from.length < free_bytes ? from.length : free_bytes;
      memcpy(job->room.bytes + filled, from.bytes, part);
      from.bytes += part;
      from.length -= part;
      filled += part;
      if (filled < job->room.length) continue;
      int result = write_aligned(job, job->room.bytes, filled, position);
      if (result != 0) return result;
      position += (int64_t)filled;
      filled = 0;
    }
  }
  return write_aligned(job, job->room.bytes, filled, position);
}

/* Whether the page cache has most of it; also where nobody says. */
static bool is_cached(const job_t *job, const piece_t *piece)
{
  struct { uint64_t offset, length; } range = { (uint64_t)piece->position, piece->memory.length };
  struct { uint64_t cached, dirty, under_writeback, evicted, recently_evicted; } pages;
  if (syscall(SYS_cachestat, job->cached, &range, &pages, 0) != 0) return true;
  return pages.cached * (uint64_t)sysconf(_SC_PAGESIZE) * 2 > range.length;
}

static int read_cached(const job_t *job, const piece_t *piece)
{
  const memory_t *target = &piece->memory;
  for (size_t done = 0; done < target->length;) {
    ssize_t count = pread(job->cached, target->bytes + done, target->length - done, piece->position + (int64_t)done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count < 0 ? errno : ENODATA;
    done += (size_t)count;
  }
  return 0;
}

static int read_directly(const job_t *job, const piece_t *piece)
{
  const memory_t *target = &piece->memory;
  for (size_t done = 0; done < target->length;) {
    int64_t position = piece->position + (int64_t)done;
    size_t before = (size_t)(position % ALIGNMENT), left = target->length - done;
    size_t length = (before + left + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (length > job->room.length) length = job->room.length;
    ssize_t count = pread(job->direct, job->room.bytes, length, position - (int64_t)before);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if ((size_t)count <= before) return ENODATA;
    size_t part = (size_t)count - before;
    if (part > left) part = left;
    memcpy(target->bytes + done, job->room.bytes + before, part);
    done += part;
  }
  return 0;
}

static int read_pieces(const job_t *job)
{
  int result = 0;
  for (uint32_t i = 0; i < job->count && result == 0; i++) {
    const piece_t *piece = &job->pieces[i];
    bool directly = job->direct >= 0 && !is_cached(job, piece);
    result = directly ? read_directly(job, piece) : EINVAL;
    if (result == EINVAL) result = read_cached(job, piece);
  }
  return result;
}

static void run(napi_env env, void *data)
{
  (void)env;
  job_t *job = data;
  job->result = job->call(job);
}

static void ended(napi_env env, napi_status status, void *data)
{
  job_t *job = data;
  napi_value result;
  napi_create_int32(env, status == napi_ok ? job->result : ECANCELED, &result);
  napi_resolve_deferred(env, job->deferred, result);
  napi_delete_async_work(env, job->work);
  for (int i = 0; i < 2; i++) napi_delete_reference(env, job->kept[i]);
  free(job);
}

static bool memory_of(napi_env env, napi_value value, memory_t *memory)
{
  napi_typedarray_type type;
  void *bytes = NULL;
  if (napi_get_typedarray_info(env, value, &type, &memory->length, &bytes, NULL, NULL) != napi_ok) return false;
  memory->bytes = bytes;
  return type == napi_uint8_array;
}

static bool pieces_of(napi_env env, napi_value array, job_t *job)
{
  for (uint32_t i = 0; i < job->count; i++) {
    napi_value piece;
    if (napi_get_element(env, array, i, &piece) != napi_ok || !memory_of(env, piece, &job->pieces[i].memory)) return false;
  }
  return true;
}

static bool positions_of(napi_env env, napi_value array, job_t *job)
{
  for (uint32_t i = 0; i < job->count; i++) {
    napi_value position;
    if (napi_get_element(env, array, i, &position) != napi_ok ||
        napi_get_value_int64(env, position, &job->pieces[i].position) != napi_ok || job->pieces[i].position < 0) {
      return false;
    }
  }
  return true;
}

/* What of the room is aligned. */
static bool room_of(napi_env env, napi_value value, memory_t *room)
{
  if (!memory_of(env, value, room)) return false;
  size_t skipped = -(uintptr_t)room->bytes % ALIGNMENT;
  if (room->length < skipped + ALIGNMENT) return false;
  room->bytes += skipped;
  room->length = (room->length - skipped) / ALIGNMENT * ALIGNMENT;
  return true;
}

static napi_value refuse(napi_env env, job_t *job)
{
  free(job);
  napi_throw_type_error(env, NULL, "direct-io: wrong arguments");
  return NULL;
}

/* @return NULL when that is no array, or there is no memory. */
static job_t *job_for(napi_env env, napi_value pieces, int (*call)(const job_t *job))
{
  uint32_t count = 0;
  if (napi_get_array_length(env, pieces, &count) != napi_ok) return NULL;
  job_t *job = calloc(1, sizeof *job + count * sizeof job->pieces[0]);
  if (job == NULL) return NULL;
  job->call = call;
  job->count = count;
  return job;
}

static napi_value start(napi_env env, job_t *job, napi_value pieces, napi_value room)
{
  napi_value promise, name;
  napi_create_reference(env, pieces, 1, &job->kept[0]);
  napi_create_reference(env, room, 1, &job->kept[1]);
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "direct-io", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, run, ended, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

/* write(direct, position, pieces, room): a promise of 0 or an errno. */
static napi_value write_them(napi_env env, napi_callback_info info)
{
  napi_value values[4];
  size_t given = 4;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  job_t *job = job_for(env, values[2], write_pieces);
  if (job == NULL || napi_get_value_int32(env, values[0], &job->direct) != napi_ok ||
      napi_get_value_int64(env, values[1], &job->position) != napi_ok || job->position < 0 ||
      !pieces_of(env, values[2], job) || !room_of(env, values[3], &job->room)) {
    return refuse(env, job);
  }
  return start(env, job, values[2], values[3]);
}

/* read(cached, direct, positions, targets, room): a promise of 0 or an errno. */
static napi_value read_them(napi_env env, napi_callback_info info)
{
  napi_value values[5];
  size_t given = 5;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  job_t *job = job_for(env, values[3], read_pieces);
  if (job == NULL || napi_get_value_int32(env, values[0], &job->cached) != napi_ok ||
      napi_get_value_int32(env, values[1], &job->direct) != napi_ok || !positions_of(env, values[2], job) ||
      !pieces_of(env, values[3], job) || !room_of(env, values[4], &job->room)) {
    return refuse(env, job);
  }
  return start(env, job, values[3], values[4]);
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "write", NAPI_AUTO_LENGTH, write_them, NULL, &function);
  napi_set_named_property(env, exports, "write", function);
  napi_create_function(env, "read", NAPI_AUTO_LENGTH, read_them, NULL, &function);
  napi_set_named_property(env, exports, "read", function);
  return exports;
}
