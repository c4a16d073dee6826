/**
 * What the way through the kernel costs: file work by a process of its own on an in-memory file system,
 * through our channel (spinning and not) and fuse-native, and on the host's own file system beside them.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { FileSystem } from '../../client/fs/contract.ts'
import type { Mounted, MountOptions } from '../../client/fuse/contract.ts'
import { MemoryFileSystem } from '../../client/fuse/memory-file-system.ts'
import { mountChannel, unmountStale } from '../../client/fuse/mount.ts'
import { mountFuseNative } from '../../client/fuse/native.ts'
import { realEnv } from '../../network/env/real.ts'
import { printTable, type Row } from './table.ts'

export const name = 'fuse'

type Way = (fileSystem: FileSystem, options: MountOptions) => Promise<Mounted>

const ways: Readonly<Record<string, Way>> = {
  'channel, spin 20 µs': (fileSystem, options) =>
    mountChannel(fileSystem, { ...options, spinMicroseconds: 20 }),
  'channel, no spin': (fileSystem, options) =>
    mountChannel(fileSystem, { ...options, spinMicroseconds: 0 }),
  'fuse-native': mountFuseNative,
}

const execute = promisify(execFile)
const fileCount = 2000
const dataMiB = 64

/** Ways that this machine does not offer are reported as 0, with the reason. */
export async function run(): Promise<Row[]> {
  const host = await inDirectory(directory => work('host', directory))
  const rows = [...host]
  for (const [label, mount] of Object.entries(ways)) {
    if (!existsSync('/dev/fuse')) {
      rows.push({ what: `${label}: no /dev/fuse here`, value: 0, unit: '' })
      continue
    }
    try {
      const ours = await inDirectory(directory => mounted(label, directory, mount))
      rows.push(...ours.map((row, index) => beside(row, host[index])))
    } catch (error) {
      rows.push({ what: `${label}: ${String(error)}`, value: 0, unit: '' })
    }
  }
  return rows
}

function beside(row: Row, host: Row | undefined): Row {
  return host === undefined ? row : { ...row, against: { value: host.value, what: host.what } }
}

async function inDirectory(use: (directory: string) => Promise<Row[]>): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-bench-'))
  try {
    return await use(directory)
  } finally {
    await unmountStale(directory)
    await rm(directory, { recursive: true })
  }
}

async function mounted(label: string, mountpoint: string, mount: Way): Promise<Row[]> {
  const { clock } = realEnv()
  const fileSystem = new MemoryFileSystem({ wallNs: () => clock.wallNs() })
  const options = { mountpoint, source: 'rookery:bench', allowOther: false, readOnly: false }
  const mounted = await mount(fileSystem, options)
  try {
    return await work(label, mountpoint)
  } finally {
    await mounted.unmount({ force: true })
  }
}

async function work(label: string, directory: string): Promise<Row[]> {
  const script = new URL('fuse-work.ts', import.meta.url).pathname
  const words = [script, directory, String(fileCount), String(dataMiB)]
  const { stdout } = await execute(process.execPath, words)
  const rows = JSON.parse(stdout) as Row[]
  return rows.map(row => ({ ...row, what: `${label}: ${row.what}` }))
}

if (import.meta.main) {
  printTable(name, await run())
}
