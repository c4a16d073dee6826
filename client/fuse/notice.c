/*
 * Notices to the kernel (forget a name, forget pages), written on threads of their own: the kernel may have to wait for a page
 * or a directory that is locked by a request which only the event loop can answer, and that may hang with a server.
 *
 * 1. What has no need to wait for others has a lane to itself, and nothing else uses these threads.
 * 2. A lane has a thread for each of its notices, up to a limit: beyond it they wait in the order in which they came.
 * 3. An environment that has ended hears of nothing: `instance_t.open` is read and changed under the lock.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 9
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lanes; threads of each that stay while there is nothing to do; the stack of one, which does little. */
enum { LANES = 2, IDLE_LIMIT = 4, STACK_BYTES = 256 * 1024 };

/* What is to be told where: of one environment, and kept when that has ended, for notices that are late. */
typedef struct {
  napi_threadsafe_function written;
  unsigned on_the_way;
  bool open;
} instance_t;

typedef struct notice {
  struct notice *next;
  instance_t *instance;
  napi_deferred deferred;
  int fd, failure;
  size_t length;
  uint8_t bytes[];
} notice_t;

typedef struct {
  notice_t *first, *last;
  pthread_cond_t came;
  unsigned waiting, threads, idle;
} lane_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static lane_t lanes[LANES] = { { .came = PTHREAD_COND_INITIALIZER },
                               { .came = PTHREAD_COND_INITIALIZER } };

static void write_notice(notice_t *notice)
{
  while (write(notice->fd, notice->bytes, notice->length) < 0) {
    if (errno == EINTR) continue;
    notice->failure = errno;
    break;
  }
  close(notice->fd);
}

/* Under the lock. */
static void tell(notice_t *notice)
{
  instance_t *instance = notice->instance;
  if (!instance->open || napi_call_threadsafe_function(instance->written, notice,
                                                       napi_tsfn_nonblocking) != napi_ok)
    free(notice);
}

/* Under the lock. */
static notice_t *take(lane_t *lane)
{
  notice_t *notice = lane->first;
  lane->first = notice->next;
  lane->waiting--;
  return notice;
}

static void *serve(void *data)
{
  lane_t *lane = data;
  pthread_mutex_lock(&lock);
  while (lane->waiting > 0 || lane->idle < IDLE_LIMIT) {
    if (lane->waiting == 0) {
      lane->idle++;
      pthread_cond_wait(&lane->came, &lock);
      lane->idle--;
      continue;
    }
    notice_t *notice = take(lane);
    pthread_mutex_unlock(&lock);
    write_notice(notice);
    pthread_mutex_lock(&lock);
    tell(notice);
  }
  lane->threads--;
  pthread_mutex_unlock(&lock);
  return NULL;
}

/* All signals are for other threads. */
static int begin_thread(lane_t *lane)
{
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = pthread_create(&thread, &attributes, serve, lane);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failure;
}

/* Gives the notice to a thread; an errno where there is none, and none can be had. */
static int put(lane_t *lane, notice_t *notice, unsigned most_threads)
{
  int failure = 0;
  pthread_mutex_lock(&lock);
  if (lane->waiting >= lane->idle && lane->threads < most_threads) {
    failure = begin_thread(lane);
    if (failure == 0) lane->threads++;
  }
  if (lane->threads > 0) {
    if (lane->waiting++ == 0) lane->first = notice;
    else lane->last->next = notice;
    lane->last = notice;
    pthread_cond_signal(&lane->came);
    failure = 0;
  }
  pthread_mutex_unlock(&lock);
  return failure;
}

/* In the event loop; `env` is NULL when that ends. */
static void on_written(napi_env env, napi_value callback, void *context, void *data)
{
  (void)callback;
  instance_t *instance = context;
  notice_t *notice = data;
  if (env != NULL) {
    napi_value result;
    napi_create_int32(env, notice->failure, &result);
    napi_resolve_deferred(env, notice->deferred, result);
    if (--instance->on_the_way == 0) napi_unref_threadsafe_function(env, instance->written);
  }
  free(notice);
}

static void on_teardown(void *data)
{
  instance_t *instance = data;
  pthread_mutex_lock(&lock);
  instance->open = false;
  pthread_mutex_unlock(&lock);
}

static notice_t *new_notice(int device, const void *bytes, size_t length)
{
  notice_t *notice = malloc(sizeof *notice + length);
  int fd = notice == NULL ? -1 : fcntl(device, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) {
    free(notice);
    return NULL;
  }
  *notice = (notice_t){ .fd = fd, .length = length };
  memcpy(notice->bytes, bytes, length);
  return notice;
}

/* write(device, bytes, lane, most threads of it): promise of an errno. The descriptor is doubled: it may be closed meanwhile. */
static napi_value write_it(napi_env env, napi_callback_info info)
{
  napi_value values[4], promise;
  size_t given = 4, length = 0;
  void *bytes = NULL, *data = NULL;
  int device = -1;
  uint32_t lane = 0, most_threads = 0;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given < 4 || napi_get_value_int32(env, values[0], &device) != napi_ok ||
      napi_get_typedarray_info(env, values[1], NULL, &length, &bytes, NULL, NULL) != napi_ok ||
      napi_get_value_uint32(env, values[2], &lane) != napi_ok || lane >= LANES ||
      napi_get_value_uint32(env, values[3], &most_threads) != napi_ok) {
    napi_throw_type_error(env, NULL, "notice: wrong arguments");
    return NULL;
  }
  notice_t *notice = new_notice(device, bytes, length);
  if (notice == NULL) {
    napi_throw_error(env, NULL, "notice: no descriptor or no memory left");
    return NULL;
  }
  napi_get_instance_data(env, &data);
  instance_t *instance = data;
  napi_create_promise(env, &notice->deferred, &promise);
  notice->instance = instance;
  if (instance->on_the_way++ == 0) napi_ref_threadsafe_function(env, instance->written);
  int failure = put(&lanes[lane], notice, most_threads);
  if (failure == 0) return promise;
  close(notice->fd);
  notice->failure = failure;
  on_written(env, NULL, instance, notice);
  return promise;
}

static bool begin_instance(napi_env env)
{
  napi_value name;
  instance_t *instance = calloc(1, sizeof *instance);
  if (instance == NULL) return false;
  napi_create_string_utf8(env, "fuse notice", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, instance, on_written,
                                      &instance->written) != napi_ok) {
    free(instance);
    return false;
  }
  napi_unref_threadsafe_function(env, instance->written);
  instance->open = true;
  napi_set_instance_data(env, instance, NULL, NULL);
  /* Hooks are called from the last to the first: before the function above is gone. */
  napi_add_env_cleanup_hook(env, on_teardown, instance);
  return true;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  if (!begin_instance(env)) {
    napi_throw_error(env, NULL, "notice: no memory left");
    return NULL;
  }
  napi_create_function(env, "write", NAPI_AUTO_LENGTH, write_it, NULL, &function);
  napi_set_named_property(env, exports, "write", function);
  return exports;
}
