/*
 * The FUSE device in the event loop: reads requests into slots of a pool, hands them to JavaScript in
 * batches, writes replies. It knows nothing of the protocol.
 *
 * 1. A slot is free, or taken from the read of its request until its answer (or drop): data in it stays
 *    put, so that writes need no copy. Without a free slot nothing is read.
 * 2. JavaScript memory used here (pool, reply, batch) is referenced from open to close.
 * 3. The struct outlives the JavaScript handle and both uv handles; the last of the three frees it.
 * 4. Spinning happens only with no request outstanding, while requests keep coming, and yields the CPU.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <node_api.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* node-api-headers carries no uv.h: the stable part of libuv's interface that is used here. */
typedef struct uv_handle_s uv_handle_t;
typedef void (*uv_poll_cb)(uv_handle_t *, int status, int events);
typedef void (*uv_plain_cb)(uv_handle_t *);
enum { UV_POLL_TYPE = 8, UV_PREPARE_TYPE = 9, UV_READABLE_EVENT = 1 };
extern size_t uv_handle_size(int type);
extern void *uv_handle_get_data(const uv_handle_t *);
extern void uv_handle_set_data(uv_handle_t *, void *);
extern int uv_poll_init(struct uv_loop_s *, uv_handle_t *, int fd);
extern int uv_poll_start(uv_handle_t *, int events, uv_poll_cb);
extern int uv_poll_stop(uv_handle_t *);
extern int uv_prepare_init(struct uv_loop_s *, uv_handle_t *);
extern int uv_prepare_start(uv_handle_t *, uv_plain_cb);
extern void uv_close(uv_handle_t *, uv_plain_cb);
extern void uv_unref(uv_handle_t *);

/* Requests of one call into JavaScript, and such calls before the loop may turn to others. */
enum { BATCH_LIMIT = 64, ROUND_LIMIT = 4, CREDIT_LIMIT = 8, REFERENCES = 5 };
/* What one writev(2) takes (IOV_MAX), the reply buffer among them. */
enum { PIECE_LIMIT = 1024 };
/* The device takes a reply at once; a signal in between may cost a few turns. */
enum { WRITE_TRIES = 100 };
/* The longest that one turn of the loop may stay in the spin, however busy it is kept. */
static const uint64_t SPIN_TURN_NS = 500 * 1000;

typedef struct {
  napi_env env;
  napi_ref references[REFERENCES]; /* self, callback, pool, reply, batch */
  napi_async_cleanup_hook_handle cleanup;
  uv_handle_t *poll, *prepare;
  int fd, holders, failure;
  bool open, polling, tearing, answered;
  uint8_t *pool, *reply, *taken;
  size_t slot_bytes, reply_bytes;
  uint32_t *batch, *free_slots, slot_count, free_count;
  uint64_t spin_ns, answered_at;
  int credit;
  double requests, batches, spins, hits;
} channel_t;

static uint64_t now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void let_go(channel_t *c)
{
  if (--c->holders > 0) return;
  free(c->poll);
  free(c->prepare);
  free(c->free_slots);
  free(c->taken);
  free(c);
}

static void on_closed(uv_handle_t *handle)
{
  channel_t *c = uv_handle_get_data(handle);
  if (handle == c->poll && c->tearing) napi_remove_async_cleanup_hook(c->cleanup);
  let_go(c);
}

static void close_channel(channel_t *c)
{
  if (!c->open) return;
  c->open = false;
  /* The poll handle is the last to be closed, since its callback tells the teardown to go on. */
  uv_close(c->prepare, on_closed);
  uv_close(c->poll, on_closed);
  close(c->fd);
  if (c->tearing) return;
  for (int i = 0; i < REFERENCES; i++) napi_delete_reference(c->env, c->references[i]);
  napi_remove_async_cleanup_hook(c->cleanup);
}

static void on_teardown(napi_async_cleanup_hook_handle handle, void *data)
{
  (void)handle;
  channel_t *c = data;
  c->tearing = true;
  close_channel(c);
}

static void on_finalize(napi_env env, void *data, void *hint)
{
  (void)env;
  (void)hint;
  let_go(data);
}

/* Reads what waits on the device into free slots, and answers how many; notes a device that is gone. */
static uint32_t receive(channel_t *c)
{
  uint32_t count = 0;
  while (count < BATCH_LIMIT && c->free_count > 0) {
    uint32_t slot = c->free_slots[c->free_count - 1];
    ssize_t got = read(c->fd, c->pool + slot * c->slot_bytes, c->slot_bytes);
    if (got < 0) {
      if (errno == EINTR || errno == ENOENT) continue; /* ENOENT: the request was withdrawn */
      if (errno != EAGAIN) c->failure = errno;
      break;
    }
    c->free_count--;
    c->taken[slot] = 1;
    c->batch[2 * count] = slot;
    c->batch[2 * count + 1] = (uint32_t)got;
    count++;
  }
  return count;
}

/* Calls JavaScript with the batch; an exception there becomes an uncaughtException, and we go on. */
static void deliver(channel_t *c, uint32_t count, int failure)
{
  napi_env env = c->env;
  napi_handle_scope scope;
  napi_value callback, global, result, arguments[2];
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  c->requests += count;
  c->batches += 1;
  napi_get_reference_value(env, c->references[1], &callback);
  napi_get_global(env, &global);
  napi_create_uint32(env, count, &arguments[0]);
  napi_create_int32(env, failure, &arguments[1]);
  if (napi_make_callback(env, NULL, global, callback, 2, arguments, &result) ==
      napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

/* One read and call; false when there was nothing, or nobody to go on for. */
static bool serve(channel_t *c)
{
  uint32_t count = receive(c);
  int failure = c->failure;
  if (count > 0) deliver(c, count, 0);
  if (failure != 0 && c->open) {
    if (c->polling) uv_poll_stop(c->poll);
    c->polling = false;
    deliver(c, 0, failure);
    return false;
  }
  if (c->open && c->free_count == 0 && c->polling) {
    uv_poll_stop(c->poll);
    c->polling = false;
  }
  return count > 0 && c->open;
}

static void on_readable(uv_handle_t *handle, int status, int events)
{
  (void)events;
  channel_t *c = uv_handle_get_data(handle);
  if (c->spin_ns > 0 && now_ns() - c->answered_at < 5 * c->spin_ns && c->credit < CREDIT_LIMIT)
    c->credit++;
  for (int round = 0; round < ROUND_LIMIT && serve(c); round++) continue;
  /* libuv stops a handle whose descriptor polls as an error, which an unmounted device does. */
  if (status < 0 && c->open && c->polling) {
    c->polling = false;
    c->failure = ENODEV;
    deliver(c, 0, ENODEV);
  }
}

static void on_prepare(uv_handle_t *handle)
{
  channel_t *c = uv_handle_get_data(handle);
  if (!c->answered || c->spin_ns == 0 || c->failure != 0) return;
  c->answered = false;
  if (c->credit <= 0 || c->free_count != c->slot_count) return;
  uint64_t begin = now_ns(), last = begin;
  c->spins += 1;
  while (c->open && c->failure == 0 && c->free_count == c->slot_count) {
    uint64_t now = now_ns();
    if (serve(c)) {
      c->hits += 1;
      c->credit = CREDIT_LIMIT;
      last = now_ns();
      if (last - begin > SPIN_TURN_NS) return;
    } else if (now - last > c->spin_ns) {
      c->credit--;
      return;
    } else {
      sched_yield();
    }
  }
}

static void release_slot(channel_t *c, uint32_t slot)
{
  c->taken[slot] = 0;
  c->free_slots[c->free_count++] = slot;
  if (c->open && !c->polling && c->failure == 0) {
    c->polling = true;
    uv_poll_start(c->poll, UV_READABLE_EVENT, on_readable);
  }
}

/* Arguments of every function below: the channel, then its own. */
static channel_t *channel_of(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
  size_t given = count;
  void *data = NULL;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given < count || napi_get_value_external(env, values[0], &data) != napi_ok) {
    napi_throw_type_error(env, NULL, "channel: wrong arguments");
    return NULL;
  }
  return data;
}

static napi_value number(napi_env env, int value)
{
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

static int write_all(int fd, const struct iovec *pieces, int count)
{
  for (int left = WRITE_TRIES; left > 0; left--) {
    if (writev(fd, pieces, count) >= 0) return 0;
    if (errno != EINTR && errno != EAGAIN) return errno;
    sched_yield();
  }
  return EAGAIN;
}

/* answer(channel, slot, length, pieces?): errno of the write; length 0 answers nothing (forget). */
static napi_value answer(napi_env env, napi_callback_info info)
{
  napi_value values[4];
  struct iovec pieces[PIECE_LIMIT];
  uint32_t slot = 0, length = 0, count = 0;
  channel_t *c = channel_of(env, info, 4, values);
  if (c == NULL) return NULL;
  napi_get_value_uint32(env, values[1], &slot);
  napi_get_value_uint32(env, values[2], &length);
  if (slot >= c->slot_count || !c->taken[slot] || length > c->reply_bytes) {
    napi_throw_range_error(env, NULL, "channel: not a slot that awaits an answer of this length");
    return NULL;
  }
  pieces[0] = (struct iovec){ c->reply, length };
  bool many = false;
  napi_is_array(env, values[3], &many);
  if (many) napi_get_array_length(env, values[3], &count);
  if (count >= PIECE_LIMIT) {
    napi_throw_range_error(env, NULL, "channel: too many pieces");
    return NULL;
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value piece;
    napi_get_element(env, values[3], i, &piece);
    if (napi_get_typedarray_info(env, piece, NULL, &pieces[i + 1].iov_len, &pieces[i + 1].iov_base,
                                 NULL, NULL) != napi_ok) {
      napi_throw_type_error(env, NULL, "channel: a piece is not a Uint8Array");
      return NULL;
    }
  }
  int failure = !c->open ? ENODEV : length == 0 ? 0 : write_all(c->fd, pieces, (int)count + 1);
  release_slot(c, slot);
  if (c->spin_ns > 0) {
    c->answered = true;
    c->answered_at = now_ns();
  }
  return number(env, failure);
}

static napi_value close_it(napi_env env, napi_callback_info info)
{
  napi_value values[1];
  channel_t *c = channel_of(env, info, 1, values);
  if (c != NULL) close_channel(c);
  return NULL;
}

/* statistics(channel, Float64Array(4)): requests, batches, spins, spins that found a request. */
static napi_value statistics(napi_env env, napi_callback_info info)
{
  napi_value values[2];
  size_t length = 0;
  void *out = NULL;
  channel_t *c = channel_of(env, info, 2, values);
  if (c == NULL) return NULL;
  if (napi_get_typedarray_info(env, values[1], NULL, &length, &out, NULL, NULL) != napi_ok ||
      length != 4)
    return NULL;
  memcpy(out, (double[]){ c->requests, c->batches, c->spins, c->hits }, 4 * sizeof(double));
  return NULL;
}

/* The memory behind a typed array, or NULL when it is shorter than it must be. */
static void *memory(napi_env env, napi_value value, size_t least, size_t *length)
{
  void *data = NULL;
  *length = 0;
  if (napi_get_typedarray_info(env, value, NULL, length, &data, NULL, NULL) != napi_ok) return NULL;
  return *length >= least ? data : NULL;
}

static bool start(channel_t *c)
{
  struct uv_loop_s *loop;
  if (napi_get_uv_event_loop(c->env, &loop) != napi_ok) return false;
  if (uv_poll_init(loop, c->poll, c->fd) != 0) return false;
  uv_prepare_init(loop, c->prepare);
  uv_handle_set_data(c->poll, c);
  uv_handle_set_data(c->prepare, c);
  uv_poll_start(c->poll, UV_READABLE_EVENT, on_readable);
  uv_prepare_start(c->prepare, on_prepare);
  uv_unref(c->prepare);
  c->open = c->polling = true;
  c->holders = 3;
  return true;
}

/* open(fd, slots, spinMicroseconds, callback, pool, reply, batch): the channel; it owns the fd now. */
static napi_value open_channel(napi_env env, napi_callback_info info)
{
  napi_value values[7], self;
  size_t given = 7, pool_bytes, length;
  uint32_t spin = 0;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  channel_t *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->env = env;
  napi_get_value_int32(env, values[0], &c->fd);
  napi_get_value_uint32(env, values[1], &c->slot_count);
  napi_get_value_uint32(env, values[2], &spin);
  c->spin_ns = (uint64_t)spin * 1000;
  c->pool = memory(env, values[4], c->slot_count, &pool_bytes);
  c->reply = memory(env, values[5], 1, &c->reply_bytes);
  c->batch = memory(env, values[6], 2 * BATCH_LIMIT, &length);
  c->slot_bytes = c->slot_count == 0 ? 0 : pool_bytes / c->slot_count;
  c->free_slots = calloc(c->slot_count, sizeof *c->free_slots);
  c->taken = calloc(c->slot_count, 1);
  c->poll = calloc(1, uv_handle_size(UV_POLL_TYPE));
  c->prepare = calloc(1, uv_handle_size(UV_PREPARE_TYPE));
  if (given < 7 || !c->pool || !c->reply || !c->batch || !c->free_slots || !c->taken || !c->poll ||
      !c->prepare || !start(c)) {
    c->holders = 1;
    let_go(c);
    napi_throw_type_error(env, NULL, "channel: cannot be opened");
    return NULL;
  }
  while (c->free_count < c->slot_count) {
    c->free_slots[c->free_count] = c->slot_count - 1 - c->free_count;
    c->free_count++;
  }
  napi_create_external(env, c, on_finalize, NULL, &self);
  napi_create_reference(env, self, 1, &c->references[0]);
  for (int i = 1; i < REFERENCES; i++)
    napi_create_reference(env, values[2 + i], 1, &c->references[i]);
  napi_add_async_cleanup_hook(env, on_teardown, c, &c->cleanup);
  return self;
}

NAPI_MODULE_INIT()
{
  static const struct {
    const char *name;
    napi_callback function;
  } table[] = { { "open", open_channel },
                { "answer", answer },
                { "close", close_it },
                { "statistics", statistics } };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    napi_value function;
    napi_create_function(env, table[i].name, NAPI_AUTO_LENGTH, table[i].function, NULL, &function);
    napi_set_named_property(env, exports, table[i].name, function);
  }
  return exports;
}
