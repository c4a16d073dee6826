/** Parsers of what a person types: sizes, counts, addresses and paths inside volumes. */
import { InvalidArgumentError } from 'commander'
import { formatBytes } from '../network/format/bytes.ts'
import type { HttpAddress } from '../network/http/serve.ts'
import { maxTokenLifeMs } from '../network/limits.ts'
import { Failure } from './failure.ts'

/** Node has put U+FFFD for what is not UTF-8, and would find what has that in its name. @throws Failure */
export function assertDecoded(args: readonly string[]): void {
  const lossy = args.find(argument => argument.includes('\uFFFD'))
  if (lossy === undefined) return
  const text = `'${lossy}' is not UTF-8, or holds U+FFFD: such a name can be reached through a mount`
  throw new Failure(text, { usage: true })
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
}

/** `65536`, `64KiB`, `64k`, `1M`, `1.5GiB`: powers of 1024, whole bytes. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  const bytes = Number(match?.[1]) * (units[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN)
  if (match === null || !Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError(`'${text}' is not a size: write 65536, 64KiB, 1M or 2GiB.`)
  }
  return bytes
}

/** A parser of sizes within bounds, both included. */
export function bytesBetween(least: number, most: number): (text: string) => number {
  return text => {
    const bytes = parseBytes(text)
    if (bytes < least || bytes > most) {
      throw new InvalidArgumentError(
        `${text} is out of range: ${formatBytes(least)} to ${formatBytes(most)}.`,
      )
    }
    return bytes
  }
}

/** A parser of sizes within bounds, both included, that are powers of two. */
export function powerOfTwoBetween(least: number, most: number): (text: string) => number {
  const parse = bytesBetween(least, most)
  return text => {
    const bytes = parse(text)
    if (Number.isInteger(Math.log2(bytes))) return bytes
    const below = formatBytes(2 ** Math.floor(Math.log2(bytes)))
    const above = formatBytes(2 ** Math.ceil(Math.log2(bytes)))
    throw new InvalidArgumentError(`${text} is not a power of two: write ${below} or ${above}.`)
  }
}

/** A parser of whole numbers within bounds, both included. */
export function countBetween(least: number, most: number): (text: string) => number {
  return text => {
    const count = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(count >= least && count <= most)) {
      throw new InvalidArgumentError(`'${text}' is not a whole number from ${least} to ${most}.`)
    }
    return count
  }
}

const unitsMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** `90s`, `30m`, `1h`, `7d`: in milliseconds, up to a year. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text.trim())
  const ms = Number(match?.[1]) * (unitsMs[match?.[2] ?? ''] ?? Number.NaN)
  if (!(ms > 0 && ms <= maxTokenLifeMs)) {
    throw new InvalidArgumentError(`'${text}' is not a time: write 90s, 30m, 1h or 7d.`)
  }
  return ms
}

/** A weight: any number above zero. */
export function parseWeight(text: string): number {
  const weight = text.trim() === '' ? Number.NaN : Number(text)
  if (!(weight > 0 && weight <= 1e6)) {
    throw new InvalidArgumentError(`'${text}' is not a weight: a number above 0, e.g. 1.`)
  }
  return weight
}

const longestSocketPathBytes = 107

/**
 * `HOST:PORT` and `/path` are short for `tcp://HOST:PORT` and `unix:/path`; `tls://HOST:PORT` is TCP, encrypted.
 * @returns the address in the form that a transport takes.
 */
export function parseAddress(text: string): string {
  if (text.startsWith('libp2p://')) return parseLibp2pAddress(text)
  const address = text.startsWith('/') ? `unix:${text}` : text
  if (address.startsWith('unix:')) {
    const path = address.slice('unix:'.length)
    if (!path.startsWith('/')) {
      throw new InvalidArgumentError(`'${text}' is not a socket address: its path is not absolute.`)
    }
    if (Buffer.byteLength(path) > longestSocketPathBytes) {
      throw new InvalidArgumentError(
        `the path in '${text}' is longer than the ${longestSocketPathBytes} bytes of a socket's.`,
      )
    }
    return address
  }
  const match = /^(?:(tcp|tls):\/\/)?(\[[0-9a-fA-F:.%\w]+\]|[\w.-]+):(\d{1,5})$/.exec(address)
  if (match === null || Number(match[3]) > 65_535) {
    throw new InvalidArgumentError(
      `'${text}' is not an address: write HOST:PORT, tls://HOST:PORT or unix:/path.`,
    )
  }
  return `${match[1] ?? 'tcp'}://${match[2]}:${match[3]}`
}

/** Where a manager listens: `HOST:PORT` is short for `libp2p://HOST:PORT`, which it is joined through. */
export function parseManagerAddress(text: string): string {
  const isPlain = !text.startsWith('/') && !/^\w+:\/\/|^unix:/.test(text)
  return parseAddress(isPlain ? `libp2p://${text}` : text)
}

const libp2pPattern =
  /^libp2p:\/\/(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):(\d{1,5})(?:\/[1-9A-HJ-NP-Za-km-z]+)?$/

function parseLibp2pAddress(text: string): string {
  const match = libp2pPattern.exec(text)
  if (match !== null && Number(match[1]) <= 65_535) return text
  throw new InvalidArgumentError(
    `'${text}' is not an address: write HOST:PORT or libp2p://HOST:PORT.`,
  )
}

/** `HOST:PORT`, also `[::1]:PORT`; port 0 is any that is free. */
export function parseHttpAddress(text: string): HttpAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || !(port <= 65_535)) {
    throw new InvalidArgumentError(`'${text}' is not where to serve HTTP: write HOST:PORT.`)
  }
  return { host, port }
}

export interface StoreAddress {
  /** `HOST:PORT` of each. */
  readonly endpoints: readonly string[]
  readonly name: string
}

const endpointPattern = /^(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}$/
const maxEtcdEndpoints = 16

/** `etcd://HOST:PORT[,HOST:PORT...]/NAME`. */
export function parseStore(text: string): StoreAddress {
  const match = /^etcd:\/\/([^/]+)\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/.exec(text)
  const endpoints = match?.[1]?.split(',') ?? []
  const good = endpoints.every(
    endpoint => endpointPattern.test(endpoint) && Number(endpoint.split(':').at(-1)) <= 65_535,
  )
  if (match?.[2] === undefined || !good || endpoints.length > maxEtcdEndpoints) {
    throw new InvalidArgumentError(
      `'${text}' is no store: write etcd://HOST:PORT[,HOST:PORT...]/NAME, with up to ${maxEtcdEndpoints} machines ` +
        "and a name of letters, digits, '.', '_' and '-'.",
    )
  }
  return { endpoints, name: match[2] }
}

/** For options that may be given more than once. */
export function collect<T>(parse: (text: string) => T): (text: string, before?: T[]) => T[] {
  return (text, before = []) => [...before, parse(text)]
}

export interface VolumePath {
  readonly volume: string
  /** Absolute, without `.`, `..` and empty parts. */
  readonly path: string
}

export const defaultVolume = 'default'

/** `VOLUME:/path`, or `/path` of the default volume. */
export function parseVolumePath(text: string): VolumePath {
  const match = /^(?:([^:/]+):)?(\/.*)$/s.exec(text)
  if (match?.[2] === undefined) {
    throw new InvalidArgumentError(`'${text}' is not a path: write VOLUME:/path or /path.`)
  }
  return { volume: parseVolumeName(match[1] ?? defaultVolume), path: normalPath(match[2]) }
}

/** A name that may be typed anywhere without quoting: letters, digits, `.`, `_` and `-`. */
export function parseVolumeName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) {
    throw new InvalidArgumentError(
      `'${text}' is not a volume name: 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first.`,
    )
  }
  return text
}

function normalPath(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}
