/*
 * Data that lies in the memory of another process of this machine, copied from there without a system call of that process
 * (cross-memory attach).
 *
 * 1. What is told of a place is the sender's word: whatever it is, only memory of the process named is read, as far as the kernel
 *    lets this process (PTRACE_MODE_ATTACH_REALCREDS), and only the target is written.
 *
 * Source: process_vm_readv(2).
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* Memory of the other process that one call reads. */
enum { AT_ONCE = 64 };

typedef struct {
  uint64_t address, length;
} place_t;

typedef struct {
  uint8_t *bytes;
  size_t length;
} memory_t;

static bool memory_of(napi_env env, napi_value value, memory_t *memory)
{
  napi_typedarray_type type;
  void *bytes = NULL;
  if (napi_get_typedarray_info(env, value, &type, &memory->length, &bytes, NULL, NULL) != napi_ok) return false;
  memory->bytes = bytes;
  return type == napi_uint8_array;
}

static napi_value refuse(napi_env env)
{
  napi_throw_type_error(env, NULL, "process-memory: wrong arguments");
  return NULL;
}

/* placesOf(pieces, target): fills the target, of 16 bytes for each piece. */
static napi_value places_of(napi_env env, napi_callback_info info)
{
  napi_value values[2];
  size_t given = 2;
  uint32_t count = 0;
  memory_t target;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (napi_get_array_length(env, values[0], &count) != napi_ok || !memory_of(env, values[1], &target) ||
      target.length != count * sizeof(place_t)) {
    return refuse(env);
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value piece;
    memory_t memory;
    if (napi_get_element(env, values[0], i, &piece) != napi_ok || !memory_of(env, piece, &memory)) return refuse(env);
    place_t place = { (uintptr_t)memory.bytes, memory.length };
    memcpy(target.bytes + i * sizeof place, &place, sizeof place);
  }
  return NULL;
}

static int copy(int process, const struct iovec *theirs, size_t count, size_t length, uint8_t *target)
{
  struct iovec ours = { target, length };
  ssize_t copied = process_vm_readv(process, &ours, 1, theirs, count, 0);
  if (copied < 0) return errno;
  return (size_t)copied == length ? 0 : EFAULT;
}

static int fetch_all(int process, memory_t places, memory_t target)
{
  struct iovec theirs[AT_ONCE];
  size_t count = 0, length = 0, done = 0;
  if (places.length % sizeof(place_t) != 0) return EINVAL;
  for (size_t at = 0; at < places.length; at += sizeof(place_t)) {
    place_t place;
    memcpy(&place, places.bytes + at, sizeof place);
    if (place.length > target.length - done - length) return EINVAL;
    theirs[count++] = (struct iovec){ (void *)(uintptr_t)place.address, place.length };
    length += place.length;
    if (count < AT_ONCE && at + sizeof place < places.length) continue;
    int result = copy(process, theirs, count, length, target.bytes + done);
    if (result != 0) return result;
    done += length;
    count = length = 0;
  }
  return done == target.length ? 0 : EINVAL;
}

/* fetch(process, places, target): 0 or an errno. */
static napi_value fetch(napi_env env, napi_callback_info info)
{
  napi_value values[3], result;
  size_t given = 3;
  int32_t process = 0;
  memory_t places, target;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (napi_get_value_int32(env, values[0], &process) != napi_ok || !memory_of(env, values[1], &places) ||
      !memory_of(env, values[2], &target)) {
    return refuse(env);
  }
  napi_create_int32(env, process <= 0 ? ESRCH : fetch_all(process, places, target), &result);
  return result;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "placesOf", NAPI_AUTO_LENGTH, places_of, NULL, &function);
  napi_set_named_property(env, exports, "placesOf", function);
  napi_create_function(env, "fetch", NAPI_AUTO_LENGTH, fetch, NULL, &function);
  napi_set_named_property(env, exports, "fetch", function);
  return exports;
}
