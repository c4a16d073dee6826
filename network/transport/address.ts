/** Addresses of sockets: `tcp://host:port`, `tls://host:port` and `unix:/path`. */
import { ClusterError } from '../errors.ts'

export type SocketAddress =
  | { readonly scheme: 'tcp'; readonly host: string; readonly port: number }
  | { readonly scheme: 'unix'; readonly path: string }

/** sun_path of unix(7), less its closing NUL. */
const maxUnixPathBytes = 107

const tcpForm = /^tcp:\/\/(?:\[([^\]]+)\]|([^:[\]/]+)):(\d{1,5})$/

/** @throws ClusterError UNREACHABLE when it is neither. */
export function parseAddress(address: string): SocketAddress {
  if (address.startsWith('unix:/')) return parseUnix(address.slice('unix:'.length))
  const match = tcpForm.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || !(port <= 0xffff)) {
    throw new ClusterError(
      'UNREACHABLE',
      `'${address}' is no address: tcp://host:port or unix:/path`,
    )
  }
  return { scheme: 'tcp', host, port }
}

function parseUnix(path: string): SocketAddress {
  if (Buffer.byteLength(path) > maxUnixPathBytes || path.includes('\0')) {
    throw new ClusterError(
      'UNREACHABLE',
      `the path of a Unix socket has at most ${maxUnixPathBytes} bytes: '${path}'`,
    )
  }
  return { scheme: 'unix', path }
}

export function formatTcp(host: string, port: number): string {
  return `tcp://${hostPort(host, port)}`
}

const tlsScheme = /^tls(?=:)/

/** @throws ClusterError UNREACHABLE when it is no address of TLS. */
export function parseTls(address: string): { readonly host: string; readonly port: number } {
  const at = tlsScheme.test(address) ? tcpForm.exec(address.replace(tlsScheme, 'tcp')) : null
  const host = at?.[1] ?? at?.[2]
  const port = Number(at?.[3])
  if (host === undefined || !(port <= 0xffff)) {
    throw new ClusterError('UNREACHABLE', `'${address}' is no address: tls://host:port`)
  }
  return { host, port }
}

export function formatTls(host: string, port: number): string {
  return `tls://${hostPort(host, port)}`
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
