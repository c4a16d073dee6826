import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { ClusterError, clusterCodes, errnoByCode, type PosixCode, PosixError } from '../errors.ts'
import { maxPartitionCount } from '../limits.ts'
import { decodeBody, decodeError, encodeBody, encodeError } from './codec.ts'
import { makeIno } from './ids.ts'
import { structures } from './structures.ts'

// The same cases every time: a failure is the code's, never the day's.
fc.configureGlobal({ seed: 20_260_101 })

const attributes = {
  ino: makeIno(maxPartitionCount - 1, 2 ** 40 - 1),
  mode: 0o100644,
  nlink: 1,
  uid: 1000,
  gid: 1000,
  rdev: 0,
  size: Number.MAX_SAFE_INTEGER,
  atimeNs: 1_767_225_600_123_456_789n,
  mtimeNs: -1n,
  ctimeNs: 0n,
  change: 7,
  generation: 1,
  cuts: 0,
  reach: 3,
  blockBytes: 1 << 20,
  inlineBytes: 8192,
  xattrFlags: 0,
  allocated: 4096,
}

test('attributes come back as they were: times as bigints, inode numbers as numbers', t => {
  const bytes = encodeBody({ attributes, created: true })
  t.deepEqual(decodeBody(bytes), { attributes, created: true })
  t.true(bytes.byteLength < 100, 'field names do not travel')
})

test('another process reads what this one wrote, with nothing said before', t => {
  const entry = { name: Uint8Array.of(255, 0), ino: 2, type: 3, cookie: 4, attributes }
  const bytes = encodeBody({ entries: [entry], end: true })
  const module = fileURLToPath(new URL('./codec.ts', import.meta.url))
  const script = `
    import { decodeBody, encodeBody } from ${JSON.stringify(module)}
    const value = decodeBody(Buffer.from(process.argv[1], 'base64'))
    value.end = value.entries[0].attributes.atimeNs === ${attributes.atimeNs}n
    process.stdout.write(Buffer.from(encodeBody(value)).toString('base64'))`
  const argument = Buffer.from(bytes).toString('base64')
  const flags = ['--input-type=module-typescript', '-e', script, argument]
  const answer = execFileSync(process.execPath, flags, { encoding: 'utf8' })
  t.is(answer, argument)
})

test('encoded bodies stay as they are while others are encoded', t => {
  const values = Array.from({ length: 2000 }, (_, i) => ({ ino: i, filler: 'x'.repeat(i % 300) }))
  const encoded = values.map(encodeBody)
  encodeBody('y'.repeat(100_000))
  t.deepEqual(encoded.map(decodeBody), values)
})

test('decoded bytes share no memory with what they were decoded from', t => {
  const bytes = encodeBody({ parent: 1, name: Uint8Array.of(1, 2, 3) }).slice()
  const decoded = decodeBody(bytes)
  bytes.fill(0)
  t.deepEqual(decoded, { parent: 1, name: Uint8Array.of(1, 2, 3) })
})

test('a peer cannot redefine a shared structure', t => {
  // Record definition (fixext 1 'r') of id 0 with the one field "x", followed by its value.
  const evil = Uint8Array.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x78, 0x05)
  t.deepEqual(decodeBody(evil), { x: 5 })
  t.deepEqual(decodeBody(encodeBody({ attributes })), { attributes })
  t.throws(() => decodeBody(evil.subarray(0, 6)))
  t.deepEqual(decodeBody(encodeBody({ attributes })), { attributes })
})

test('the table has one-byte ids and no shape twice', t => {
  t.true(structures.length <= 32)
  t.is(new Set(structures.map(fields => fields.join())).size, structures.length)
})

const scalar = fc.oneof(
  fc.boolean(),
  fc.constant(null),
  fc.maxSafeInteger(),
  // Less -0, which msgpack writes as 0.
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }).map(bytes => Uint8Array.from(bytes)),
)
const { message } = fc.letrec(tie => ({
  message: fc.oneof(
    { maxDepth: 3, depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('message'), { maxLength: 8 }),
    fc.dictionary(fc.string({ maxLength: 20 }), tie('message'), {
      noNullPrototype: true,
      maxKeys: 8,
    }),
    fc
      .constantFrom(...structures)
      .chain(fields =>
        fc
          .array(tie('message'), { minLength: fields.length, maxLength: fields.length })
          .map(values => Object.fromEntries(fields.map((field, i) => [field, values[i]]))),
      ),
  ),
}))

function hasProto(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProto)
}

test('any message comes back as it was', t => {
  const roundTrip = fc.property(message, value => {
    fc.pre(!hasProto(value))
    return isDeepStrictEqual(decodeBody(encodeBody(value)), value)
  })
  t.notThrows(() => fc.assert(roundTrip, { numRuns: 300 }))
})

function decodesOrMalformed(bytes: Uint8Array): boolean {
  try {
    decodeBody(bytes)
    return true
  } catch (error) {
    return error instanceof ClusterError && error.code === 'MALFORMED'
  }
}

test('random bytes and damaged messages are MALFORMED at worst', t => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decodesOrMalformed), { numRuns: 3000 })
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = Uint8Array.from(encodeBody(value))
      bytes[at % bytes.length] = byte
      return decodesOrMalformed(bytes) && decodesOrMalformed(bytes.subarray(0, at % bytes.length))
    }),
    { numRuns: 1000 },
  )
  t.true(decodesOrMalformed(new Uint8Array(1 << 20).fill(0x91)), 'deep nesting')
  t.deepEqual(decodeBody(encodeBody({ attributes })), { attributes })
})

test('what msgpack cannot say is MALFORMED', t => {
  const error = t.throws(() => encodeBody({ atimeNs: 2n ** 70n }))
  t.true(error instanceof ClusterError && error.code === 'MALFORMED')
})

test('errors come back with class, code and words', t => {
  for (const code of Object.keys(errnoByCode) as PosixCode[]) {
    const error = new PosixError(code, 'some words')
    t.deepEqual(decodeError(encodeError(error)), error)
  }
  for (const code of clusterCodes) {
    const error = new ClusterError(code, 'some words')
    t.deepEqual(decodeError(encodeError(error)), error)
  }
  t.is(decodeError(encodeError(new PosixError('ENOENT'))).message, 'ENOENT')
  const sentOn = new ClusterError('NOT_LEADER', 'ask another', { instead: ['unix:/a', 'unix:/b'] })
  t.deepEqual(decodeError(encodeError(sentOn)), sentOn)
  const nonsense = encodeBody({ code: 'NOT_LEADER', message: '', instead: [7, 'unix:/a', null] })
  const read = decodeError(nonsense)
  t.deepEqual(read instanceof ClusterError && read.instead, ['unix:/a'])
})

test('an error that cannot be read is MALFORMED', t => {
  for (const value of [null, 5, {}, { code: 'EWHAT', message: '' }, { code: 'EIO', message: 3 }]) {
    t.is(decodeError(encodeBody(value)).code, 'MALFORMED')
  }
  t.is(decodeError(Uint8Array.of(0xdd)).code, 'MALFORMED')
})
