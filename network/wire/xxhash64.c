/*
 * xxHash64 with seed 0 over memory where it lies, in pieces: what WebAssembly hashes it has to be given a
 * copy of first, and the copy costs more than the hash.
 *
 * The algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md (XXH64). Little-endian
 * machines only, as Node's typed arrays are what the wire has.
 */
#define NAPI_VERSION 9
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian machines only"
#endif

static const uint64_t PRIME_1 = 0x9E3779B185EBCA87ULL, PRIME_2 = 0xC2B2AE3D27D4EB4FULL,
                      PRIME_3 = 0x165667B19E3779F9ULL, PRIME_4 = 0x85EBCA77C2B2AE63ULL,
                      PRIME_5 = 0x27D4EB2F165667C5ULL;
enum { STRIPE = 32, LANES = 4, CHECKSUM_BYTES = 8 };

typedef struct {
  uint64_t lanes[LANES], total;
  uint8_t rest[STRIPE];
  size_t rest_bytes;
} hash_t;

static uint64_t rotate(uint64_t value, int bits)
{
  return value << bits | value >> (64 - bits);
}

static uint64_t read_64(const uint8_t *at)
{
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static uint32_t read_32(const uint8_t *at)
{
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static uint64_t round_of(uint64_t lane, uint64_t input)
{
  return rotate(lane + input * PRIME_2, 31) * PRIME_1;
}

static uint64_t merge(uint64_t hash, uint64_t lane)
{
  return (hash ^ round_of(0, lane)) * PRIME_1 + PRIME_4;
}

static void begin(hash_t *h)
{
  h->lanes[0] = PRIME_1 + PRIME_2;
  h->lanes[1] = PRIME_2;
  h->lanes[2] = 0;
  h->lanes[3] = -PRIME_1;
  h->total = 0;
  h->rest_bytes = 0;
}

/* Whole stripes of the memory. */
static void take_stripes(hash_t *h, const uint8_t *at, const uint8_t *end)
{
  uint64_t a = h->lanes[0], b = h->lanes[1], c = h->lanes[2], d = h->lanes[3];
  for (; at < end; at += STRIPE) {
    a = round_of(a, read_64(at));
    b = round_of(b, read_64(at + 8));
    c = round_of(c, read_64(at + 16));
    d = round_of(d, read_64(at + 24));
  }
  memcpy(h->lanes, (uint64_t[]){ a, b, c, d }, sizeof h->lanes);
}

static void take(hash_t *h, const uint8_t *at, size_t bytes)
{
  h->total += bytes;
  if (h->rest_bytes > 0) {
    size_t wanted = STRIPE - h->rest_bytes, part = bytes < wanted ? bytes : wanted;
    memcpy(h->rest + h->rest_bytes, at, part);
    h->rest_bytes += part;
    at += part;
    bytes -= part;
    if (h->rest_bytes < STRIPE) return;
    take_stripes(h, h->rest, h->rest + STRIPE);
    h->rest_bytes = 0;
  }
  size_t whole = bytes - bytes % STRIPE;
  take_stripes(h, at, at + whole);
  h->rest_bytes = bytes - whole;
  if (h->rest_bytes > 0) memcpy(h->rest, at + whole, h->rest_bytes);
}

static uint64_t digest(const hash_t *h)
{
  const uint64_t *lane = h->lanes;
  uint64_t hash = lane[2] + PRIME_5;
  if (h->total >= STRIPE) {
    hash = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    for (int i = 0; i < LANES; i++) hash = merge(hash, lane[i]);
  }
  hash += h->total;
  const uint8_t *at = h->rest, *end = h->rest + h->rest_bytes;
  for (; at + 8 <= end; at += 8) hash = rotate(hash ^ round_of(0, read_64(at)), 27) * PRIME_1 + PRIME_4;
  if (at + 4 <= end) {
    hash = rotate(hash ^ read_32(at) * PRIME_1, 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  for (; at < end; at++) hash = rotate(hash ^ *at * PRIME_5, 11) * PRIME_1;
  hash = (hash ^ hash >> 33) * PRIME_2;
  hash = (hash ^ hash >> 29) * PRIME_3;
  return hash ^ hash >> 32;
}

static bool bytes_of(napi_env env, napi_value value, uint8_t **data, size_t *length)
{
  napi_typedarray_type type;
  void *memory = NULL;
  if (napi_get_typedarray_info(env, value, &type, length, &memory, NULL, NULL) != napi_ok) return false;
  *data = memory;
  return type == napi_uint8_array;
}

static napi_value refuse(napi_env env)
{
  napi_throw_type_error(env, NULL, "xxhash64: wrong arguments");
  return NULL;
}

/* checksums(pieces, room, chunkBytes, out): of the concatenated pieces, cut after `room` bytes and then each
   `chunkBytes`; 8 bytes little-endian each. Answers how many. */
static napi_value checksums(napi_env env, napi_callback_info info)
{
  napi_value values[4], piece, result;
  size_t given = 4, out_bytes, length;
  uint32_t pieces = 0, room = 0, chunk = 0, count = 0;
  uint8_t *out, *data;
  hash_t hash;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given < 4 || napi_get_array_length(env, values[0], &pieces) != napi_ok ||
      napi_get_value_uint32(env, values[1], &room) != napi_ok ||
      napi_get_value_uint32(env, values[2], &chunk) != napi_ok || room == 0 || chunk == 0 ||
      !bytes_of(env, values[3], &out, &out_bytes))
    return refuse(env);
  begin(&hash);
  for (uint32_t i = 0; i < pieces; i++) {
    if (napi_get_element(env, values[0], i, &piece) != napi_ok || !bytes_of(env, piece, &data, &length))
      return refuse(env);
    while (length > 0) {
      size_t part = length < room ? length : room;
      take(&hash, data, part);
      data += part;
      length -= part;
      room -= (uint32_t)part;
      if (room > 0) continue;
      if ((count + 1) * CHECKSUM_BYTES > out_bytes) return refuse(env);
      memcpy(out + count++ * CHECKSUM_BYTES, &(uint64_t){ digest(&hash) }, CHECKSUM_BYTES);
      begin(&hash);
      room = chunk;
    }
  }
  if (hash.total > 0) {
    if ((count + 1) * CHECKSUM_BYTES > out_bytes) return refuse(env);
    memcpy(out + count++ * CHECKSUM_BYTES, &(uint64_t){ digest(&hash) }, CHECKSUM_BYTES);
  }
  napi_create_uint32(env, count, &result);
  return result;
}

/* checksum(first, second, out): of the two, one behind the other. */
static napi_value checksum(napi_env env, napi_callback_info info)
{
  napi_value values[3];
  size_t given = 3, lengths[2], out_bytes;
  uint8_t *pieces[2], *out;
  hash_t hash;
  napi_get_cb_info(env, info, &given, values, NULL, NULL);
  if (given < 3 || !bytes_of(env, values[0], &pieces[0], &lengths[0]) ||
      !bytes_of(env, values[1], &pieces[1], &lengths[1]) ||
      !bytes_of(env, values[2], &out, &out_bytes) || out_bytes < CHECKSUM_BYTES)
    return refuse(env);
  begin(&hash);
  for (int i = 0; i < 2; i++)
    if (lengths[i] > 0) take(&hash, pieces[i], lengths[i]);
  memcpy(out, &(uint64_t){ digest(&hash) }, CHECKSUM_BYTES);
  return NULL;
}

NAPI_MODULE_INIT()
{
  napi_value function;
  napi_create_function(env, "checksums", NAPI_AUTO_LENGTH, checksums, NULL, &function);
  napi_set_named_property(env, exports, "checksums", function);
  napi_create_function(env, "checksum", NAPI_AUTO_LENGTH, checksum, NULL, &function);
  napi_set_named_property(env, exports, "checksum", function);
  return exports;
}
