/**
 * Who may talk: what a member is admitted with, and what it needs to prove that and to check others. The authority
 * of a cluster is an Ed25519 key that signs a certificate for each member's own key; whoever knows the authority's
 * public half can check any member, with no manager in reach.
 */
import type { Identity } from '../identity/identity.ts'

/** Kept in this order where roles travel as numbers. */
export const admissionRoles = ['manager', 'server', 'client', 'admin'] as const
/** An administrator may act as a client too. */
export type AdmissionRole = (typeof admissionRoles)[number]

/** That the holder of a key is a member of a cluster in a role, as the authority signed it. Not secret. */
export interface Certificate {
  readonly cluster: string
  /** Of the member's key, as `Identity` has it. */
  readonly peerId: string
  readonly role: AdmissionRole
  /** Rises with each certificate of the authority, from 1; a safe integer. */
  readonly serial: number
  /** Seconds since 1970 on the manager's clock, for people. */
  readonly issuedS: number
}

/** Certificates of this peer up to this serial are worth nothing any longer: what a view's `removed` lists. */
export interface RemovedMember {
  readonly peerId: string
  readonly serial: number
}

/** What one process proves itself with and checks others by. */
export interface Credentials {
  readonly identity: Identity
  /** As the authority signed it; null for one who is only about to be admitted: it reaches nothing but a manager's `admit`. */
  readonly certificate: Uint8Array | null
  readonly cluster: string
  /** Public key of the authority, 32 bytes as in RFC 8032. */
  readonly authority: Uint8Array
  /** 32 bytes that all admitted members share; null before admission. */
  readonly secret: Uint8Array | null
  /** Takes what a view says; who was removed stays so. */
  remove(members: readonly RemovedMember[]): void
  isRemoved(certificate: Certificate): boolean
  /** Calls `listener` each time that more members are removed. @returns a function that ends it. */
  onRemoval(listener: () => void): () => void
}
