/*
 * Space of a file: held for what is to be written there, or given back to the file system.
 *
 * Source: fallocate(2).
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct {
  napi_deferred deferred;
  napi_async_work work;
  int fd;
  int mode;
  int64_t position;
  int64_t length;
  int result;
} change_t;

static void change(napi_env env, void *data)
{
  (void)env;
  change_t *job = data;
  do {
    job->result = fallocate(job->fd, job->mode, job->position, job->length) == 0 ? 0 : errno;
  } while (job->result == EINTR);
}

static void changed(napi_env env, napi_status status, void *data)
{
  change_t *job = data;
  napi_value result;
  napi_create_int32(env, status == napi_ok ? job->result : ECANCELED, &result);
  napi_resolve_deferred(env, job->deferred, result);
  napi_delete_async_work(env, job->work);
  free(job);
}

static napi_value start(napi_env env, napi_callback_info info, int mode)
{
  napi_value values[3], promise, name;
  size_t given = 3;
  change_t *job = calloc(1, sizeof *job);
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (job == NULL || given < 3 || napi_get_value_int32(env, values[0], &job->fd) != napi_ok ||
      napi_get_value_int64(env, values[1], &job->position) != napi_ok ||
      napi_get_value_int64(env, values[2], &job->length) != napi_ok) {
    free(job);
    napi_throw_type_error(env, NULL, "file-space: wrong arguments");
    return NULL;
  }
  job->mode = mode;
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "fallocate", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, change, changed, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

/* hold(fd, position, length): a promise of 0 or an errno. The size covers the range: ext4 punches nothing behind it. */
static napi_value hold(napi_env env, napi_callback_info info)
{
  return start(env, info, 0);
}

/* giveBack(fd, position, length): a promise of 0 or an errno; the range reads as zeros. */
static napi_value give_back(napi_env env, napi_callback_info info)
{
  return start(env, info, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "hold", NAPI_AUTO_LENGTH, hold, NULL, &function);
  napi_set_named_property(env, exports, "hold", function);
  napi_create_function(env, "giveBack", NAPI_AUTO_LENGTH, give_back, NULL, &function);
  napi_set_named_property(env, exports, "giveBack", function);
  return exports;
}
