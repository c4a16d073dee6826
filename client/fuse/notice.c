/*
 * Notices to the kernel (forget a name, forget pages), written on another thread: the kernel may have to
 * wait for a page or a directory that is locked by a request which only the event loop can answer.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  napi_deferred deferred;
  napi_async_work work;
  int fd, failure;
  size_t length;
  uint8_t bytes[];
} notice_t;

static void write_notice(napi_env env, void *data)
{
  (void)env;
  notice_t *notice = data;
  while (write(notice->fd, notice->bytes, notice->length) < 0) {
    if (errno == EINTR) continue;
    notice->failure = errno;
    break;
  }
  close(notice->fd);
}

static void notice_written(napi_env env, napi_status status, void *data)
{
  notice_t *notice = data;
  int failure = status == napi_ok ? notice->failure : ECANCELED;
  if (status != napi_ok) close(notice->fd);
  napi_value result;
  napi_create_int32(env, failure, &result);
  napi_resolve_deferred(env, notice->deferred, result);
  napi_delete_async_work(env, notice->work);
  free(notice);
}

/* write(device, bytes): promise of an errno. The descriptor is doubled: it may be closed meanwhile. */
static napi_value write_it(napi_env env, napi_callback_info info)
{
  napi_value values[2], promise, name;
  size_t given = 2, length = 0;
  void *bytes = NULL;
  int device = -1;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given < 2 || napi_get_value_int32(env, values[0], &device) != napi_ok ||
      napi_get_typedarray_info(env, values[1], NULL, &length, &bytes, NULL, NULL) != napi_ok) {
    napi_throw_type_error(env, NULL, "notice: wrong arguments");
    return NULL;
  }
  notice_t *notice = malloc(sizeof *notice + length);
  int fd = fcntl(device, F_DUPFD_CLOEXEC, 0);
  if (notice == NULL || fd < 0) {
    if (fd >= 0) close(fd);
    free(notice);
    napi_throw_error(env, NULL, "notice: no descriptor or no memory left");
    return NULL;
  }
  *notice = (notice_t){ .fd = fd, .length = length };
  memcpy(notice->bytes, bytes, length);
  napi_create_promise(env, &notice->deferred, &promise);
  napi_create_string_utf8(env, "fuse notice", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, write_notice, notice_written, notice, &notice->work);
  napi_queue_async_work(env, notice->work);
  return promise;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "write", NAPI_AUTO_LENGTH, write_it, NULL, &function);
  napi_set_named_property(env, exports, "write", function);
  return exports;
}
