/*
 * utimensat(2) on files of our own mount. The kernel drops a file's pages when it is told of another mtime, but keeps them
 * where it has asked for that mtime itself (fuse_do_setattr).
 *
 * Who waits for its own mount while it is killed keeps the device open, and so waits for ever. The thread that waits here has
 * a table of descriptors of its own, without the device: the kernel ends the mount, and with it what the thread waits for.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TEXT_LIMIT = 4200, HANDLE_BYTES = 12, INODE_AND_GENERATION = 0x81 };

typedef struct {
  int socket;
  unsigned major, minor;
  char target[TEXT_LIMIT];
} mount_t;

/* From the other end of the socket; answered with an int32_t, an errno. */
typedef struct {
  uint64_t node;
  int64_t seconds;
  int64_t nanoseconds;
} asked_t;

/* What the greeting says. */
typedef struct {
  int32_t failure;
  int32_t thread;
} greeting_t;

/* Of a file of the file system in which we are. */
static int set_time(const asked_t *asked)
{
  union {
    struct file_handle handle;
    char bytes[sizeof(struct file_handle) + HANDLE_BYTES];
  } named;
  /* fuse_encode_fh: the upper half of the node, the lower one, the generation. */
  const uint32_t words[] = { asked->node >> 32, (uint32_t)asked->node, 0 };
  named.handle.handle_bytes = HANDLE_BYTES;
  named.handle.handle_type = INODE_AND_GENERATION;
  memcpy(named.handle.f_handle, words, HANDLE_BYTES);
  int file = open_by_handle_at(AT_FDCWD, &named.handle, O_PATH | O_CLOEXEC);
  if (file < 0) return errno;
  const struct timespec times[] = {
    { .tv_nsec = UTIME_OMIT },
    { .tv_sec = asked->seconds, .tv_nsec = asked->nanoseconds },
  };
  int failure = syscall(SYS_utimensat, file, "", times, AT_EMPTY_PATH) == 0 ? 0 : errno;
  close(file);
  return failure;
}

/* The mount is entered each time: whoever is in it keeps others from unmounting it. */
static int within_mount(const mount_t *mount, const asked_t *asked)
{
  struct statx here = { 0 };
  if (chdir(mount->target) < 0) return errno;
  int failure = statx(AT_FDCWD, ".", AT_STATX_DONT_SYNC, 0, &here) == 0 ? 0 : errno;
  const int is_ours = here.stx_dev_major == mount->major && here.stx_dev_minor == mount->minor;
  if (failure == 0) failure = is_ours ? set_time(asked) : ENODEV;
  return chdir("/") < 0 ? errno : failure;
}

/* Only the socket remains; and a working directory of its own. */
static int leave_process(int socket)
{
  if (unshare(CLONE_FILES | CLONE_FS) < 0) return errno;
  if (socket > 0 && close_range(0, socket - 1, 0) < 0) return errno;
  return close_range(socket + 1, ~0U, 0) < 0 ? errno : 0;
}

static void *serve(void *data)
{
  mount_t *mount = data;
  asked_t asked;
  greeting_t greeting = { .failure = leave_process(mount->socket), .thread = gettid() };
  int goes_on = send(mount->socket, &greeting, sizeof greeting, MSG_NOSIGNAL) == sizeof greeting;
  while (goes_on && greeting.failure == 0) {
    if (recv(mount->socket, &asked, sizeof asked, MSG_WAITALL) != sizeof asked) break;
    int32_t failure = within_mount(mount, &asked);
    goes_on = send(mount->socket, &failure, sizeof failure, MSG_NOSIGNAL) == sizeof failure;
  }
  free(mount);
  return NULL;
}

/* All signals are for other threads: one would interrupt what the mount is asked for. */
static int begin_thread(mount_t *mount)
{
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = pthread_create(&thread, &attributes, serve, mount);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failure;
}

static napi_value number(napi_env env, int value)
{
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

/*
 * begin(target, major, minor of its device): the socket to talk to the thread, and the thread's end of it, to be closed when
 * the thread has greeted: by then it has another; or a negated errno.
 */
static napi_value begin(napi_env env, napi_callback_info info)
{
  napi_value values[3];
  size_t given = 3, length = 0;
  int pair[2];
  mount_t *mount = calloc(1, sizeof *mount);
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (mount == NULL || given < 3 ||
      napi_get_value_string_utf8(env, values[0], mount->target, TEXT_LIMIT, &length) != napi_ok ||
      napi_get_value_uint32(env, values[1], &mount->major) != napi_ok ||
      napi_get_value_uint32(env, values[2], &mount->minor) != napi_ok) {
    free(mount);
    napi_throw_type_error(env, NULL, "kernel-times: wrong arguments");
    return NULL;
  }
  int failure = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? errno : 0;
  if (failure == 0) {
    mount->socket = pair[1];
    failure = begin_thread(mount);
    if (failure != 0) {
      close(pair[0]);
      close(pair[1]);
    }
  }
  if (failure != 0) {
    free(mount);
    return number(env, -failure);
  }
  napi_value result;
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0, number(env, pair[0]));
  napi_set_element(env, result, 1, number(env, pair[1]));
  return result;
}

/* greeted(the thread's end of the socket): see `begin`. */
static napi_value greeted(napi_env env, napi_callback_info info)
{
  napi_value values[1];
  size_t given = 1;
  int32_t fd = -1;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given == 1 && napi_get_value_int32(env, values[0], &fd) == napi_ok) close(fd);
  return NULL;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "begin", NAPI_AUTO_LENGTH, begin, NULL, &function);
  napi_set_named_property(env, exports, "begin", function);
  napi_create_function(env, "greeted", NAPI_AUTO_LENGTH, greeted, NULL, &function);
  napi_set_named_property(env, exports, "greeted", function);
  return exports;
}
