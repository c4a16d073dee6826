/*
 * Writes a batch to an open store of classic-level in the calling thread. classic-level itself hands each batch to
 * another thread and hears of its end by an event: two threads to be woken, for what takes some ten microseconds.
 *
 * 1. Nothing is written before what classic-level gave as its handle was found to be one: its first word is the
 *    leveldb::DB, and that begins with the address of the virtual table of leveldb::DBImpl. Then the functions are those
 *    that the same shared object exports.
 * 2. Values that C++ returns in memory (leveldb::Status is one) are declared here as structures that C returns there too:
 *    larger than what the calling conventions of x86-64 and AArch64 return in registers.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <dlfcn.h>
#include <node_api.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* leveldb::Slice, leveldb::Status (state: NULL, or length of the text in 4 bytes, code in one, text), WriteOptions. */
typedef struct {
  const uint8_t *data;
  size_t size;
} slice_t;
typedef struct {
  const char *state;
  char in_memory[24];
} status_t;
typedef struct {
  bool sync;
} options_t;

typedef struct {
  /* What classic-level calls Database: its first word is the leveldb::DB, or NULL once it was closed. */
  void **database;
  napi_ref handle;
  void (*construct)(void *batch);
  void (*destroy)(void *batch);
  void (*clear)(void *batch);
  void (*put)(void *batch, const slice_t *key, const slice_t *value);
  void (*delete)(void *batch, const slice_t *key);
  status_t (*write)(void *db, const options_t *options, void *batch);
  /* A leveldb::WriteBatch, which is a std::string: 32 bytes. */
  alignas(16) uint8_t batch[128];
} writer_t;

enum { PAIR_HEADER_BYTES = 8, VTABLE_HEADER_BYTES = 16 };
static const uint32_t deleted = UINT32_MAX;

static bool load(writer_t *w)
{
  Dl_info info;
  void *db = w->database[0];
  if (db == NULL) return false;
  uint8_t *table = *(uint8_t **)db;
  if (dladdr(table, &info) == 0 || info.dli_sname == NULL) return false;
  if (strcmp(info.dli_sname, "_ZTVN7leveldb6DBImplE") != 0) return false;
  if ((uint8_t *)info.dli_saddr + VTABLE_HEADER_BYTES != table) return false;
  void *object = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (object == NULL) return false;
  const struct {
    void **function;
    const char *name;
  } symbols[] = {
    { (void **)&w->construct, "_ZN7leveldb10WriteBatchC1Ev" },
    { (void **)&w->destroy, "_ZN7leveldb10WriteBatchD1Ev" },
    { (void **)&w->clear, "_ZN7leveldb10WriteBatch5ClearEv" },
    { (void **)&w->put, "_ZN7leveldb10WriteBatch3PutERKNS_5SliceES3_" },
    { (void **)&w->delete, "_ZN7leveldb10WriteBatch6DeleteERKNS_5SliceE" },
    { (void **)&w->write, "_ZN7leveldb6DBImpl5WriteERKNS_12WriteOptionsEPNS_10WriteBatchE" },
  };
  bool complete = true;
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    *symbols[i].function = dlsym(object, symbols[i].name);
    complete = complete && *symbols[i].function != NULL;
  }
  dlclose(object);
  return complete;
}

static void on_finalize(napi_env env, void *data, void *hint)
{
  (void)hint;
  writer_t *w = data;
  w->destroy(w->batch);
  napi_delete_reference(env, w->handle);
  free(w);
}

/* open(handle of classic-level): a writer, or undefined where that is not what is known here. */
static napi_value open_writer(napi_env env, napi_callback_info info)
{
  napi_value handle, self;
  size_t given = 1;
  void *database = NULL;
  napi_get_cb_info(env, info, &given, &handle, NULL, NULL);
  if (given < 1 || napi_get_value_external(env, handle, &database) != napi_ok || database == NULL)
    return NULL;
  writer_t *w = aligned_alloc(16, sizeof *w);
  if (w == NULL) return NULL;
  memset(w, 0, sizeof *w);
  w->database = database;
  if (!load(w)) {
    free(w);
    return NULL;
  }
  w->construct(w->batch);
  napi_create_reference(env, handle, 1, &w->handle);
  napi_create_external(env, w, on_finalize, NULL, &self);
  return self;
}

static uint32_t number_at(const uint8_t *bytes)
{
  uint32_t number;
  memcpy(&number, bytes, sizeof number);
  return number;
}

/* Pairs, one behind the other: length of key and of value (or UINT32_MAX: deleted), 4 bytes each, key, value. */
static bool gather(writer_t *w, const uint8_t *at, const uint8_t *end)
{
  w->clear(w->batch);
  while (at < end) {
    if (end - at < PAIR_HEADER_BYTES) return false;
    uint32_t key_bytes = number_at(at), value_bytes = number_at(at + 4);
    uint64_t kept_bytes = value_bytes == deleted ? 0 : value_bytes;
    at += PAIR_HEADER_BYTES;
    if ((uint64_t)(end - at) < key_bytes + kept_bytes) return false;
    slice_t key = { at, key_bytes }, value = { at + key_bytes, kept_bytes };
    if (value_bytes == deleted) w->delete(w->batch, &key);
    else w->put(w->batch, &key, &value);
    at += key_bytes + kept_bytes;
  }
  return true;
}

/* write(writer, pairs, length): undefined, or what LevelDB says went wrong. Is in its log when it returns, not synced. */
static napi_value write_pairs(napi_env env, napi_callback_info info)
{
  napi_value values[3], said = NULL;
  size_t given = 3, room = 0;
  void *data = NULL, *pairs = NULL;
  uint32_t length = 0;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given < 3 || napi_get_value_external(env, values[0], &data) != napi_ok ||
      napi_get_typedarray_info(env, values[1], NULL, &room, &pairs, NULL, NULL) != napi_ok ||
      napi_get_value_uint32(env, values[2], &length) != napi_ok || length > room) {
    napi_throw_type_error(env, NULL, "level-write: wrong arguments");
    return NULL;
  }
  writer_t *w = data;
  if (w->database[0] == NULL || !gather(w, pairs, (uint8_t *)pairs + length)) {
    napi_throw_range_error(env, NULL, "level-write: a store that was closed, or no pairs");
    return NULL;
  }
  /* The state of a status is left to the end of the process, which is near: nothing is written after an error. */
  status_t status = w->write(w->database[0], &(options_t){ .sync = false }, w->batch);
  if (status.state == NULL) return NULL;
  napi_create_string_latin1(env, status.state + 5, number_at((const uint8_t *)status.state), &said);
  return said;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "open", NAPI_AUTO_LENGTH, open_writer, NULL, &function);
  napi_set_named_property(env, exports, "open", function);
  napi_create_function(env, "write", NAPI_AUTO_LENGTH, write_pairs, NULL, &function);
  napi_set_named_property(env, exports, "write", function);
  return exports;
}
