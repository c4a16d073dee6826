import test from 'ava'
import fc from 'fast-check'
import { makeIdentity } from '../identity/identity.ts'
import { maxClusterIdBytes } from '../limits.ts'
import { codeOf } from '../transport/compliance-fixtures.ts'
import { Authority } from './authority.ts'
import {
  issueCertificate,
  maxCertificateBytes,
  readCertificate,
  verifyCertificate,
} from './certificate.ts'
import { admissionRoles, type Certificate } from './contract.ts'
import { Refusal, reasonOf } from './refusal.ts'

const authority = Authority.make()
const { peerId } = await makeIdentity()
const cluster = 'c'.repeat(32)
const example: Certificate = { cluster, peerId, role: 'server', serial: 7, issuedS: 1_800_000_000 }
const trusted = { authority: authority.publicKey, cluster }

function reason(bytes: Uint8Array, by: Parameters<typeof verifyCertificate>[1] = trusted): string {
  try {
    verifyCertificate(bytes, by)
    return 'valid'
  } catch (error) {
    return error instanceof Refusal ? reasonOf(error) : `not refused but ${String(error)}`
  }
}

test('what a certificate was made with is read again', t => {
  const names = fc.string({ minLength: 1, maxLength: maxClusterIdBytes / 4, unit: 'grapheme' })
  const certificates = fc.record({
    cluster: names.filter(name => Buffer.byteLength(name) <= maxClusterIdBytes),
    role: fc.constantFrom(...admissionRoles),
    serial: fc.maxSafeNat().filter(serial => serial > 0),
    issuedS: fc.maxSafeNat(),
  })
  fc.assert(
    fc.property(certificates, fields => {
      const bytes = issueCertificate(authority, { ...fields, peerId })
      const by = { authority: authority.publicKey, cluster: fields.cluster }
      const { publicKey, ...read } = verifyCertificate(bytes, by)
      t.deepEqual(read, { ...fields, peerId })
      t.is(publicKey.byteLength, 32)
      t.true(bytes.byteLength <= maxCertificateBytes)
    }),
    { numRuns: 50 },
  )
})

test('no bit of a certificate can be changed', t => {
  const bytes = issueCertificate(authority, example)
  for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
    const altered = bytes.slice()
    altered[bit >> 3]! ^= 1 << (bit & 7)
    t.not(reason(altered), 'valid', `bit ${bit}`)
    t.notRegex(reason(altered), /not refused/, `bit ${bit}`)
  }
})

test('a certificate that is cut short, or longer than it says, is none', t => {
  const bytes = issueCertificate(authority, example)
  for (let length = 0; length < bytes.byteLength; length++) {
    t.is(reason(bytes.subarray(0, length)), 'malformed')
  }
  t.is(reason(Buffer.concat([bytes, Buffer.of(0)])), 'malformed')
})

test('bytes of any kind are refused, and nothing worse', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: maxCertificateBytes + 8 }), bytes => {
      t.is(reason(bytes), 'malformed')
    }),
  )
})

test('a certificate of another authority, or another cluster, is refused', t => {
  const bytes = issueCertificate(authority, example)
  t.is(reason(bytes, { ...trusted, authority: Authority.make().publicKey }), 'bad_signature')
  t.is(reason(bytes, { ...trusted, cluster: 'another' }), 'wrong_cluster')
  t.is(reason(bytes), 'valid')
})

test('an authority is the same again from its seed', t => {
  const again = Authority.from(authority.seed())
  t.deepEqual(again.publicKey, authority.publicKey)
  t.deepEqual(issueCertificate(again, example), issueCertificate(authority, example))
  t.is(codeOf(t.throws(() => Authority.from(new Uint8Array(31)))), 'MALFORMED')
})

test('what no certificate can say is not issued', t => {
  for (const wrong of [
    { serial: 0 },
    { serial: 1.5 },
    { issuedS: -1 },
    { cluster: '' },
    { cluster: 'x'.repeat(maxClusterIdBytes + 1) },
    { peerId: 'nobody' },
  ]) {
    t.is(codeOf(t.throws(() => issueCertificate(authority, { ...example, ...wrong }))), 'MALFORMED')
  }
})

test('anybody can read what a certificate says', t => {
  const { publicKey: _, ...read } = readCertificate(issueCertificate(authority, example))
  t.deepEqual(read, example)
})
