/*
 * For how long this machine has been up, the time in which it was suspended included: Node's own clocks are
 * CLOCK_MONOTONIC, which stands still meanwhile. The kernel serves it without a system call (vDSO).
 */
#include <node_api.h>
#include <time.h>

/* uptimeMs(): milliseconds; finer than a microsecond for a hundred years. */
static napi_value uptime_ms(napi_env env, napi_callback_info info)
{
  struct timespec now;
  napi_value result;
  (void)info;
  /* Linux has had it since 2.6.39: it cannot fail. */
  clock_gettime(CLOCK_BOOTTIME, &now);
  napi_create_double(env, (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6, &result);
  return result;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "uptimeMs", NAPI_AUTO_LENGTH, uptime_ms, NULL, &function);
  napi_set_named_property(env, exports, "uptimeMs", function);
  return exports;
}
