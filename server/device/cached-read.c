/*
 * Reads what the page cache has, without waiting for a disk: for that a trip to another thread and back takes
 * longer than the read.
 *
 * Source: preadv2(2), RWF_NOWAIT.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <node_api.h>
#include <sys/uio.h>

/* read(fd, target, position): bytes read into the Uint8Array, fewer than fit where the page cache has no more;
   -1 when it has none of them, or cannot tell. */
static napi_value read_cached(napi_env env, napi_callback_info info)
{
  napi_value values[3], result;
  size_t given = 3, length;
  int32_t fd;
  int64_t position;
  void *memory = NULL;
  napi_typedarray_type type;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given < 3 || napi_get_value_int32(env, values[0], &fd) != napi_ok ||
      napi_get_typedarray_info(env, values[1], &type, &length, &memory, NULL, NULL) != napi_ok ||
      type != napi_uint8_array || napi_get_value_int64(env, values[2], &position) != napi_ok) {
    napi_throw_type_error(env, NULL, "cached-read: wrong arguments");
    return NULL;
  }
  ssize_t count = preadv2(fd, &(struct iovec){ memory, length }, 1, position, RWF_NOWAIT);
  napi_create_int64(env, count, &result);
  return result;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "read", NAPI_AUTO_LENGTH, read_cached, NULL, &function);
  napi_set_named_property(env, exports, "read", function);
  return exports;
}
