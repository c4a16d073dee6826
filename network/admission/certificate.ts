/**
 * Certificates as bytes, in exactly one form each, so that nothing can be changed about one:
 *
 *   0 "RKC1"        5 u64 serial      21 u8 length of the cluster's id, the id
 *   4 u8 role       13 u64 issued     then 32 bytes of the member's public key, 64 of the authority's signature
 */
import { ClusterError } from '../errors.ts'
import { peerIdOf, publicKeyOf } from '../identity/peer-id.ts'
import { maxClusterIdBytes } from '../limits.ts'
import type { Authority } from './authority.ts'
import { type AdmissionRole, admissionRoles, type Certificate } from './contract.ts'
import { isSignedBy, keyBytes, signatureBytes } from './ed25519.ts'
import { Refusal } from './refusal.ts'

/** A certificate that was verified, with the key it is for. */
export interface VerifiedCertificate extends Certificate {
  /** Raw. */
  readonly publicKey: Uint8Array
}

const magic = Buffer.from('RKC1')
const clusterOffset = 22
const fixedBytes = clusterOffset + keyBytes + signatureBytes
export const maxCertificateBytes = fixedBytes + maxClusterIdBytes
/** So that a signature under a certificate can never pass for one under something else. */
const purpose = Buffer.from('rookery certificate 1\0')

/** @throws ClusterError MALFORMED when it says what no certificate can. */
export function issueCertificate(authority: Authority, certificate: Certificate): Uint8Array {
  const { cluster, peerId, role, serial, issuedS } = certificate
  const name = Buffer.from(cluster)
  const numbersFit = isSerial(serial) && Number.isSafeInteger(issuedS) && issuedS >= 0
  if (name.byteLength === 0 || name.byteLength > maxClusterIdBytes || !numbersFit) {
    throw new ClusterError('MALFORMED', `no certificate can say ${JSON.stringify(certificate)}`)
  }
  const bytes = Buffer.alloc(fixedBytes + name.byteLength)
  magic.copy(bytes)
  bytes.writeUInt8(admissionRoles.indexOf(role), 4)
  bytes.writeBigUInt64BE(BigInt(serial), 5)
  bytes.writeBigUInt64BE(BigInt(issuedS), 13)
  bytes.writeUInt8(name.byteLength, 21)
  name.copy(bytes, clusterOffset)
  bytes.set(publicKeyOf(peerId), clusterOffset + name.byteLength)
  const signedBytes = bytes.byteLength - signatureBytes
  bytes.set(authority.sign(toBeSigned(bytes.subarray(0, signedBytes))), signedBytes)
  return new Uint8Array(bytes)
}

/**
 * @param authority its public key, raw.
 * @param cluster that the certificate must be of.
 * @throws Refusal malformed, wrong_cluster or bad_signature.
 */
export function verifyCertificate(
  bytes: Uint8Array,
  { authority, cluster }: { readonly authority: Uint8Array; readonly cluster: string },
): VerifiedCertificate {
  const certificate = readCertificate(bytes)
  if (certificate.cluster !== cluster) {
    const text = `a certificate of cluster ${certificate.cluster}, this is ${cluster}`
    throw new Refusal('wrong_cluster', text)
  }
  const signedBytes = bytes.byteLength - signatureBytes
  const signed = toBeSigned(bytes.subarray(0, signedBytes))
  if (!isSignedBy(authority, signed, bytes.subarray(signedBytes))) {
    throw new Refusal('bad_signature', "a certificate that the cluster's authority has not signed")
  }
  return certificate
}

/**
 * What a certificate says, whoever has signed it: for the holder's own, and for people.
 * @throws Refusal malformed.
 */
export function readCertificate(bytes: Uint8Array): VerifiedCertificate {
  const { byteLength } = bytes
  if (byteLength <= fixedBytes || byteLength > maxCertificateBytes) throw noCertificate()
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, byteLength)
  const role: AdmissionRole | undefined = admissionRoles[view.readUInt8(4)]
  const serial = Number(view.readBigUInt64BE(5))
  const issuedS = Number(view.readBigUInt64BE(13))
  const clusterBytes = view.readUInt8(21)
  const keyOffset = clusterOffset + clusterBytes
  const isWhole = byteLength === fixedBytes + clusterBytes && view.subarray(0, 4).equals(magic)
  if (!isWhole || role === undefined || !isSerial(serial) || !Number.isSafeInteger(issuedS)) {
    throw noCertificate()
  }
  const cluster = view.toString('utf8', clusterOffset, keyOffset)
  const publicKey = new Uint8Array(view.subarray(keyOffset, keyOffset + keyBytes))
  return { cluster, peerId: peerIdOf(publicKey), role, serial, issuedS, publicKey }
}

function toBeSigned(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([purpose, bytes])
}

function isSerial(serial: number): boolean {
  return Number.isSafeInteger(serial) && serial >= 1
}

function noCertificate(): Refusal {
  return new Refusal('malformed', 'what was shown is no certificate')
}
