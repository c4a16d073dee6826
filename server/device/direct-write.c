/*
 * Writes past the page cache, on a thread of libuv, by way of aligned memory that is used again.
 *
 * Source: open(2), O_DIRECT.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of memory, positions and lengths: no disk asks for more. */
#define ALIGNMENT 4096

typedef struct {
  uint8_t *bytes;
  size_t length;
} memory_t;

typedef struct {
  napi_deferred deferred;
  napi_async_work work;
  napi_ref kept[2];
  int fd;
  int result;
  int64_t position;
  memory_t room;
  uint32_t count;
  memory_t pieces[];
} job_t;

/* What is in the room. */
static int write_room(job_t *job, size_t length)
{
  for (size_t done = 0; done < length;) {
    ssize_t count = pwrite(job->fd, job->room.bytes + done, length - done, job->position);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count < 0 ? errno : EIO;
    done += (size_t)count;
    job->position += count;
  }
  return 0;
}

static int write_pieces(job_t *job)
{
  size_t filled = 0;
  for (uint32_t i = 0; i < job->count; i++) {
    for (size_t done = 0; done < job->pieces[i].length;) {
      size_t left = job->pieces[i].length - done, room = job->room.length - filled;
      size_t part = left < room ? left : room;
      memcpy(job->room.bytes + filled, job->pieces[i].bytes + done, part);
      done += part;
      filled += part;
      if (filled < job->room.length) continue;
      int result = write_room(job, filled);
      if (result != 0) return result;
      filled = 0;
    }
  }
  return write_room(job, filled);
}

static void run(napi_env env, void *data)
{
  (void)env;
  job_t *job = data;
  job->result = write_pieces(job);
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

/* What of the memory is aligned. */
static bool align(memory_t *memory)
{
  size_t skipped = -(uintptr_t)memory->bytes % ALIGNMENT;
  if (memory->length < skipped + ALIGNMENT) return false;
  memory->bytes += skipped;
  memory->length -= skipped;
  memory->length -= memory->length % ALIGNMENT;
  return true;
}

static bool pieces_of(napi_env env, napi_value array, job_t *job)
{
  for (uint32_t i = 0; i < job->count; i++) {
    napi_value piece;
    if (napi_get_element(env, array, i, &piece) != napi_ok || !memory_of(env, piece, &job->pieces[i])) return false;
  }
  return true;
}

/* write(fd, position, pieces, room): a promise of 0 or an errno. The room is nobody else's until then. */
static napi_value write_them(napi_env env, napi_callback_info info)
{
  napi_value values[4], promise, name;
  size_t given = 4;
  uint32_t count = 0;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  bool has_pieces = given == 4 && napi_get_array_length(env, values[2], &count) == napi_ok;
  job_t *job = has_pieces ? calloc(1, sizeof *job + count * sizeof job->pieces[0]) : NULL;
  if (job != NULL) job->count = count;
  if (job == NULL || napi_get_value_int32(env, values[0], &job->fd) != napi_ok ||
      napi_get_value_int64(env, values[1], &job->position) != napi_ok || !pieces_of(env, values[2], job) ||
      !memory_of(env, values[3], &job->room) || !align(&job->room)) {
    free(job);
    napi_throw_type_error(env, NULL, "direct-write: wrong arguments");
    return NULL;
  }
  for (int i = 0; i < 2; i++) napi_create_reference(env, values[2 + i], 1, &job->kept[i]);
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "direct-write", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, run, ended, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "write", NAPI_AUTO_LENGTH, write_them, NULL, &function);
  napi_set_named_property(env, exports, "write", function);
  return exports;
}
