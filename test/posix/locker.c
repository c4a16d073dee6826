/*
 * Does with locks what a line of its input says, and answers with a line each, so that a test can have several
 * processes that hold and want locks. Opens its first argument as descriptor 0, others as 1, 2, …
 *
 *   API OP TYPE START LENGTH [INDEX]   API: posix, ofd, flock; OP: set, wait, get; TYPE: r, w, u
 *   open | close | fork INDEX          answers: 0, the name of an errno, or the lock that is in the way
 *   write TEXT | read                  at the start of descriptor 0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { FILES = 8 };
static int files[FILES];

static void on_signal(int number)
{
  (void)number;
}

static const char *outcome(int result)
{
  return result >= 0 ? "0" : strerrorname_np(errno);
}

static short type_of(char letter)
{
  return letter == 'r' ? F_RDLCK : letter == 'w' ? F_WRLCK : F_UNLCK;
}

static void do_flock(int fd, const char *op, char letter)
{
  int operation = letter == 'r' ? LOCK_SH : letter == 'w' ? LOCK_EX : LOCK_UN;
  if (strcmp(op, "wait") != 0) operation |= LOCK_NB;
  puts(outcome(flock(fd, operation)));
}

static void do_fcntl(int fd, int is_ofd, const char *op, char letter, long long start, long long len)
{
  struct flock lock = { .l_type = type_of(letter), .l_whence = SEEK_SET };
  lock.l_start = start;
  lock.l_len = len;
  int get = is_ofd ? F_OFD_GETLK : F_GETLK;
  int set = is_ofd ? F_OFD_SETLK : F_SETLK;
  int wait = is_ofd ? F_OFD_SETLKW : F_SETLKW;
  int command = op[0] == 'g' ? get : op[0] == 's' ? set : wait;
  int result = fcntl(fd, command, &lock);
  if (op[0] != 'g' || result < 0)
    puts(outcome(result));
  else if (lock.l_type == F_UNLCK)
    puts("u");
  else
    printf("%c %lld %lld %d\n", lock.l_type == F_RDLCK ? 'r' : 'w', (long long)lock.l_start,
           (long long)lock.l_len, (int)lock.l_pid);
}

/* A child that keeps the descriptor until it is killed; its number is the answer. */
static void do_fork(int fd)
{
  pid_t child = fork();
  if (child != 0) {
    printf("%d\n", (int)child);
    return;
  }
  for (int i = 0; i < FILES; i++)
    if (files[i] >= 0 && files[i] != fd) close(files[i]);
  close(0);
  close(1);
  for (;;) pause();
}

static void do_line(const char *path, const char *line)
{
  char api[16] = "", op[16] = "", letter = 'u', text[64] = "";
  long long start = 0, length = 0;
  int index = 0;
  if (sscanf(line, "open %d", &index) == 1) {
    puts(outcome(files[index & 7] = open(path, O_RDWR | O_CREAT, 0666)));
  } else if (sscanf(line, "close %d", &index) == 1) {
    puts(outcome(close(files[index & 7])));
    files[index & 7] = -1;
  } else if (sscanf(line, "fork %d", &index) == 1) {
    do_fork(files[index & 7]);
  } else if (sscanf(line, "write %63s", text) == 1) {
    puts(outcome((int)pwrite(files[0], text, strlen(text), 0)));
  } else if (strncmp(line, "read", 4) == 0) {
    ssize_t got = pread(files[0], text, sizeof text - 1, 0);
    puts(got < 0 ? outcome(-1) : text);
  } else {
    sscanf(line, "%15s %15s %c %lld %lld %d", api, op, &letter, &start, &length, &index);
    int fd = files[index & 7];
    if (strcmp(api, "flock") == 0)
      do_flock(fd, op, letter);
    else
      do_fcntl(fd, strcmp(api, "ofd") == 0, op, letter, start, length);
  }
}

int main(int count, char **words)
{
  if (count < 2) return 2;
  struct sigaction action = { .sa_handler = on_signal };
  sigaction(SIGUSR1, &action, NULL);
  for (int i = 0; i < FILES; i++) files[i] = -1;
  files[0] = open(words[1], O_RDWR | O_CREAT, 0666);
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts(outcome(files[0]));
  for (char line[256];;) {
    if (fgets(line, sizeof line, stdin) != NULL) {
      do_line(words[1], line);
      continue;
    }
    if (feof(stdin)) return 0;
    clearerr(stdin); /* a signal that came between two lines */
  }
}
