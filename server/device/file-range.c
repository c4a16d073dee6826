/*
 * Ranges of a file, on a thread of libuv: space held for what is to be written there, or given back to the file system;
 * what was written sent on its way to the disk.
 *
 * Source: fallocate(2), sync_file_range(2).
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdlib.h>

typedef int (*range_call)(int fd, int64_t position, int64_t length);

typedef struct {
  napi_deferred deferred;
  napi_async_work work;
  range_call call;
  int fd;
  int64_t position;
  int64_t length;
  int result;
} job_t;

static int hold_range(int fd, int64_t position, int64_t length)
{
  return fallocate(fd, 0, position, length);
}

static int give_back_range(int fd, int64_t position, int64_t length)
{
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, position, length);
}

static int send_range(int fd, int64_t position, int64_t length)
{
  return sync_file_range(fd, position, length, SYNC_FILE_RANGE_WRITE);
}

static void run(napi_env env, void *data)
{
  (void)env;
  job_t *job = data;
  do {
    job->result = job->call(job->fd, job->position, job->length) == 0 ? 0 : errno;
  } while (job->result == EINTR);
}

static void ended(napi_env env, napi_status status, void *data)
{
  job_t *job = data;
  napi_value result;
  napi_create_int32(env, status == napi_ok ? job->result : ECANCELED, &result);
  napi_resolve_deferred(env, job->deferred, result);
  napi_delete_async_work(env, job->work);
  free(job);
}

static napi_value start(napi_env env, napi_callback_info info, range_call call)
{
  napi_value values[3], promise, name;
  size_t given = 3;
  job_t *job = calloc(1, sizeof *job);
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (job == NULL || given < 3 || napi_get_value_int32(env, values[0], &job->fd) != napi_ok ||
      napi_get_value_int64(env, values[1], &job->position) != napi_ok ||
      napi_get_value_int64(env, values[2], &job->length) != napi_ok) {
    free(job);
    napi_throw_type_error(env, NULL, "file-range: wrong arguments");
    return NULL;
  }
  job->call = call;
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "file-range", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, run, ended, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

/* hold(fd, position, length): a promise of 0 or an errno. The size covers the range: ext4 punches nothing behind it. */
static napi_value hold(napi_env env, napi_callback_info info)
{
  return start(env, info, hold_range);
}

/* giveBack(fd, position, length): a promise of 0 or an errno; the range reads as zeros. */
static napi_value give_back(napi_env env, napi_callback_info info)
{
  return start(env, info, give_back_range);
}

/* send(fd, position, length): a promise of 0 or an errno. Nothing is promised by it: fdatasync tells what failed. */
static napi_value send_it(napi_env env, napi_callback_info info)
{
  return start(env, info, send_range);
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "hold", NAPI_AUTO_LENGTH, hold, NULL, &function);
  napi_set_named_property(env, exports, "hold", function);
  napi_create_function(env, "giveBack", NAPI_AUTO_LENGTH, give_back, NULL, &function);
  napi_set_named_property(env, exports, "giveBack", function);
  napi_create_function(env, "send", NAPI_AUTO_LENGTH, send_it, NULL, &function);
  napi_set_named_property(env, exports, "send", function);
  return exports;
}
