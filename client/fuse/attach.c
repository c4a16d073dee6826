/*
 * What a mount needs of the system and Node does not offer: mount(2) of the FUSE device, umount2(2), and
 * the socket over which fusermount3 hands the device to a process that is not root.
 * Every function answers a descriptor or 0, or a negated errno.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXT_LIMIT = 4200 };

static napi_value number(napi_env env, int value)
{
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

static int arguments_of(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
  size_t given = count;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given == count) return 1;
  napi_throw_type_error(env, NULL, "attach: wrong arguments");
  return 0;
}

static int text(napi_env env, napi_value value, char *out)
{
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, out, TEXT_LIMIT, &length) != napi_ok) return -EINVAL;
  return length + 1 < TEXT_LIMIT ? 0 : -ENAMETOOLONG;
}

/* mount(target, source, options, flags of mount(2)): the device's descriptor. */
static napi_value attach(napi_env env, napi_callback_info info)
{
  napi_value values[4];
  char target[TEXT_LIMIT], source[TEXT_LIMIT], options[TEXT_LIMIT], all[TEXT_LIMIT + 32];
  uint32_t flags = 0;
  if (!arguments_of(env, info, 4, values)) return NULL;
  if (text(env, values[0], target) || text(env, values[1], source) || text(env, values[2], options))
    return number(env, -ENAMETOOLONG);
  napi_get_value_uint32(env, values[3], &flags);
  int fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return number(env, -errno);
  snprintf(all, sizeof all, "fd=%d,%s", fd, options);
  if (mount(source, target, "fuse.rookery", flags, all) == 0) return number(env, fd);
  int failure = errno;
  close(fd);
  return number(env, -failure);
}

/* By force: what waits for the mount gets an error, what uses it does so from now on. */
static int detach_target(const char *target, bool force)
{
  return umount2(target, UMOUNT_NOFOLLOW | (force ? MNT_FORCE | MNT_DETACH : 0)) == 0 ? 0 : -errno;
}

/* detachNow(target): by force and synchronously, for a process that ends. */
static napi_value detach_now(napi_env env, napi_callback_info info)
{
  napi_value values[1];
  char target[TEXT_LIMIT];
  if (!arguments_of(env, info, 1, values)) return NULL;
  int failure = text(env, values[0], target);
  return number(env, failure != 0 ? failure : detach_target(target, true));
}

typedef struct {
  napi_deferred deferred;
  napi_async_work work;
  bool force;
  int result;
  char target[TEXT_LIMIT];
} detach_t;

static void detach_work(napi_env env, void *data)
{
  (void)env;
  detach_t *job = data;
  job->result = detach_target(job->target, job->force);
}

static void detached(napi_env env, napi_status status, void *data)
{
  detach_t *job = data;
  int result = status == napi_ok ? job->result : -ECANCELED;
  napi_resolve_deferred(env, job->deferred, number(env, result));
  napi_delete_async_work(env, job->work);
  free(job);
}

/* detach(target, force): a promise, since the kernel may ask the file system while it unmounts. */
static napi_value detach(napi_env env, napi_callback_info info)
{
  napi_value values[2], promise, name;
  if (!arguments_of(env, info, 2, values)) return NULL;
  detach_t *job = calloc(1, sizeof *job);
  if (job == NULL || text(env, values[0], job->target) != 0) {
    free(job);
    napi_throw_type_error(env, NULL, "attach: not a path");
    return NULL;
  }
  napi_get_value_bool(env, values[1], &job->force);
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "unmount", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, detach_work, detached, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

/* socketPair(): two descriptors of one stream, or an errno. */
static napi_value socket_pair(napi_env env, napi_callback_info info)
{
  (void)info;
  int pair[2];
  napi_value result;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return number(env, -errno);
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0, number(env, pair[0]));
  napi_set_element(env, result, 1, number(env, pair[1]));
  return result;
}

/* receiveDescriptor(socket): what the other side sent with SCM_RIGHTS before it went. */
static napi_value receive_descriptor(napi_env env, napi_callback_info info)
{
  napi_value values[1];
  int socket = -1, fd = -1;
  char byte;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec piece = { &byte, 1 };
  struct msghdr message = { .msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  if (!arguments_of(env, info, 1, values)) return NULL;
  napi_get_value_int32(env, values[0], &socket);
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0) return number(env, -errno);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
    return number(env, -EPROTO);
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return number(env, fd);
}

NAPI_MODULE_INIT()
{
  static const struct {
    const char *name;
    napi_callback function;
  } table[] = { { "attach", attach },
                { "detach", detach },
                { "detachNow", detach_now },
                { "socketPair", socket_pair },
                { "receiveDescriptor", receive_descriptor } };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    napi_value function;
    napi_create_function(env, table[i].name, NAPI_AUTO_LENGTH, table[i].function, NULL, &function);
    napi_set_named_property(env, exports, table[i].name, function);
  }
  return exports;
}
