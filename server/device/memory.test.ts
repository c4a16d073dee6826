import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { deviceCompliance } from './compliance.ts'
import { MemoryDevice, noFaults } from './memory.ts'

const capacityBytes = 64 * 1024 * 1024
const sectorBytes = 512

function make(seed = 1): MemoryDevice {
  return new MemoryDevice({ env: new SimulatedEnv({ seed }), capacityBytes })
}

async function contentOf(device: MemoryDevice, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length)
  await device.read(0, target)
  return target
}

deviceCompliance(test, 'memory', async () => {
  const device = make()
  return {
    device,
    async reopen() {
      await device.close()
      device.reopen()
      return device
    },
  }
})

test('a crash loses what was not synced and keeps what was', async t => {
  const device = make()
  await device.write(0, [new Uint8Array(4096).fill(1)])
  await device.sync()
  await device.write(1000, [new Uint8Array(4096).fill(2)])
  await device.write(0, [new Uint8Array(100).fill(3)])
  device.crash('lose')
  const expected = new Uint8Array(8192)
  expected.fill(1, 0, 4096)
  t.deepEqual(await contentOf(device, 8192), expected)
})

test('a torn write leaves whole sectors, some old and some new', async t => {
  const device = make(7)
  await device.write(0, [new Uint8Array(64 * sectorBytes).fill(1)])
  await device.sync()
  await device.write(0, [new Uint8Array(64 * sectorBytes).fill(2)])
  device.crash('tear')
  const content = await contentOf(device, 64 * sectorBytes)
  const seen = new Set<number>()
  for (let at = 0; at < content.length; at += sectorBytes) {
    const sector = new Set(content.subarray(at, at + sectorBytes))
    t.is(sector.size, 1)
    seen.add(content[at]!)
  }
  t.deepEqual([...seen].toSorted(), [1, 2])
})

test('a lost sync keeps nothing, and a later true one keeps all', async t => {
  const device = make()
  device.faults = { ...noFaults, lostSync: 1 }
  await device.write(0, [new Uint8Array(10).fill(1)])
  await device.sync()
  device.crash('lose')
  t.deepEqual(await contentOf(device, 10), new Uint8Array(10))
  await device.write(0, [new Uint8Array(10).fill(2)])
  await device.sync()
  device.faults = noFaults
  await device.sync()
  device.crash('lose')
  t.deepEqual(await contentOf(device, 10), new Uint8Array(10).fill(2))
})

test('a sync that overlaps another never covers a later write', async t => {
  const env = new SimulatedEnv({ seed: 3 })
  const device = new MemoryDevice({ env, capacityBytes, slowestMs: 10 })
  const first = device.write(0, [Uint8Array.of(1)])
  await env.run()
  await first
  const syncs = [device.sync(), device.sync()]
  const second = device.write(1, [Uint8Array.of(2)])
  await env.run()
  await Promise.all([...syncs, second])
  device.crash('lose')
  const reading = contentOf(device, 2)
  await env.run()
  t.deepEqual(await reading, Uint8Array.of(1, 0))
})

test('a bit flips on reading only once, and at rest for good', async t => {
  const device = make()
  await device.write(0, [new Uint8Array(100)])
  device.faults = { ...noFaults, readFlip: 1 }
  t.is((await contentOf(device, 100)).filter(byte => byte !== 0).length, 1)
  device.faults = noFaults
  t.deepEqual(await contentOf(device, 100), new Uint8Array(100))
  device.flipBit(50, 3)
  t.is((await contentOf(device, 100))[50], 8)
})

test('errors come as the contract names them', async t => {
  const device = make()
  device.faults = { ...noFaults, readError: 1, writeError: 1, syncError: 1 }
  await t.throwsAsync(device.read(0, new Uint8Array(1)), { code: 'DISK' })
  await t.throwsAsync(device.write(0, [new Uint8Array(1)]), { code: 'DISK' })
  await t.throwsAsync(device.sync(), { code: 'DISK' })
  device.faults = { ...noFaults, noSpace: 1 }
  await t.throwsAsync(device.write(0, [new Uint8Array(1)]), { code: 'ENOSPC' })
  device.faults = noFaults
  await t.throwsAsync(device.write(capacityBytes, [new Uint8Array(1)]), { code: 'ENOSPC' })
})

test('what was on its way at a crash never ends well', async t => {
  const env = new SimulatedEnv({ seed: 3 })
  const device = new MemoryDevice({ env, capacityBytes, slowestMs: 10 })
  const writing = device.write(0, [Uint8Array.of(1)])
  device.crash('lose')
  const refused = t.throwsAsync(writing, { code: 'CLOSED' })
  await env.run()
  await refused
})
