/*
 * Ranges of a file, on a thread of libuv: space held for what is to be written there, or given back to the file system;
 * what was written sent on its way to the disk, and no longer kept in the page cache.
 *
 * Source: fallocate(2), sync_file_range(2), posix_fadvise(2).
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  double position, length;
} range_t;

typedef struct job {
  napi_deferred deferred;
  napi_async_work work;
  int (*call)(const struct job *job);
  int fd, result;
  size_t count;
  range_t ranges[];
} job_t;

static int hold_range(const job_t *job)
{
  const range_t *range = job->ranges;
  return fallocate(job->fd, 0, (off_t)range->position, (off_t)range->length);
}

static int give_back_range(const job_t *job)
{
  const range_t *range = job->ranges;
  return fallocate(job->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)range->position, (off_t)range->length);
}

/* What is not on the disk yet the kernel keeps, whatever it is told. */
static int send_all(const job_t *job)
{
  int result = sync_file_range(job->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  for (size_t i = 0; i < job->count; i++) {
    const range_t *range = &job->ranges[i];
    posix_fadvise(job->fd, (off_t)range->position, (off_t)range->length, POSIX_FADV_DONTNEED);
  }
  return result;
}

static void run(napi_env env, void *data)
{
  (void)env;
  job_t *job = data;
  do {
    job->result = job->call(job) == 0 ? 0 : errno;
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

static napi_value start(napi_env env, napi_callback_info info, int (*call)(const job_t *job))
{
  napi_value values[2], promise, name;
  size_t given = 2, length = 0;
  napi_typedarray_type type = napi_uint8_array;
  void *ranges = NULL;
  int32_t fd = 0;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  bool is_meant = given == 2 && napi_get_value_int32(env, values[0], &fd) == napi_ok &&
                  napi_get_typedarray_info(env, values[1], &type, &length, &ranges, NULL, NULL) == napi_ok &&
                  type == napi_float64_array && length % 2 == 0 && (length > 0 || call == send_all);
  job_t *job = is_meant ? calloc(1, sizeof *job + length * sizeof(double)) : NULL;
  if (job == NULL) {
    napi_throw_type_error(env, NULL, "file-range: wrong arguments");
    return NULL;
  }
  job->call = call;
  job->fd = fd;
  job->count = length / 2;
  if (length > 0) memcpy(job->ranges, ranges, length * sizeof(double));
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "file-range", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, run, ended, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

/* Of all: ranges are a Float64Array of positions and lengths in turn. */

/* hold(fd, [position, length]): a promise of 0 or an errno. The size covers the range: ext4 punches nothing behind it. */
static napi_value hold(napi_env env, napi_callback_info info)
{
  return start(env, info, hold_range);
}

/* giveBack(fd, [position, length]): a promise of 0 or an errno; the range reads as zeros. */
static napi_value give_back(napi_env env, napi_callback_info info)
{
  return start(env, info, give_back_range);
}

/* send(fd, ranges): a promise of 0 or an errno. Nothing is promised by it: fdatasync tells what failed. */
static napi_value send_it(napi_env env, napi_callback_info info)
{
  return start(env, info, send_all);
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
