/** The program on the other side: `node fuse-work.ts DIRECTORY FILES MIB` prints rows as JSON. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { realEnv } from '../../network/env/real.ts'

const [directory = '', files = '0', mebibytes = '0'] = process.argv.slice(2)
const { clock } = realEnv()
const mebibyte = 1024 * 1024
const rows: { what: string; value: number; unit: string }[] = []

function rate(what: string, count: number, unit: string, turn: (index: number) => void): void {
  const startMs = clock.monotonicMs()
  for (let index = 0; index < count; index += 1) turn(index)
  const seconds = (clock.monotonicMs() - startMs) / 1000
  rows.push({ what, value: Math.round(count / seconds), unit: `${unit}/s` })
}

const path = (index: number): string => join(directory, `file-${index}`)
const count = Number(files)
rate('create', count, 'file', index => fs.closeSync(fs.openSync(path(index), 'wx')))
rate('stat', count, 'file', index => fs.statSync(path(index)))
rate('unlink', count, 'file', index => fs.unlinkSync(path(index)))

const data = Buffer.alloc(mebibyte, 1)
const big = join(directory, 'big')
const writer = fs.openSync(big, 'wx')
rate('write', Number(mebibytes), 'MiB', () => fs.writeSync(writer, data))
fs.fsyncSync(writer)
fs.closeSync(writer)
/** A new open drops the pages that the kernel kept of a mount without leases; the host keeps them. */
const reader = fs.openSync(big, 'r')
rate('read', Number(mebibytes), 'MiB', () => fs.readSync(reader, data))
fs.closeSync(reader)
fs.unlinkSync(big)
console.log(JSON.stringify(rows))
