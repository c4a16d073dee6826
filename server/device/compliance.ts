/** What every device must do: run against each implementation. */
import type { ExecutionContext, TestFn } from 'ava'
import type { Device } from './contract.ts'

export interface DeviceFixture {
  readonly device: Device
  /** The same device, closed and opened again. */
  reopen(): Promise<Device>
}

const MiB = 1024 * 1024

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 7 + (index >>> 8)) & 255)
}

async function bytesAt(device: Device, position: number, length: number): Promise<Buffer> {
  const target = Buffer.alloc(length, 0xee)
  await device.read(position, target)
  return target
}

export function deviceCompliance(
  test: TestFn,
  name: string,
  makeDevice: (t: ExecutionContext) => Promise<DeviceFixture>,
): void {
  const claim = (title: string, body: (t: ExecutionContext, f: DeviceFixture) => Promise<void>) =>
    test(`${name}: ${title}`, async t => {
      const fixture = await makeDevice(t)
      await body(t, fixture)
    })

  claim('has a name and room', async (t, { device }) => {
    t.not(device.name, '')
    t.true((await device.space()).capacityBytes >= 64 * MiB)
  })

  claim('what was never written reads as zeros', async (t, { device }) => {
    t.deepEqual(await bytesAt(device, 0, 10_000), Buffer.alloc(10_000))
    t.deepEqual(await bytesAt(device, 40 * MiB, 100), Buffer.alloc(100))
  })

  claim('pieces lie one behind the other', async (t, { device }) => {
    const pieces = [pattern(10, 1), pattern(0, 2), pattern(70_000, 3), pattern(1, 4)]
    await device.write(4096, pieces)
    t.deepEqual(await bytesAt(device, 4096, 70_011), Buffer.concat(pieces))
  })

  claim('a write of more pieces than one system call takes is whole', async (t, { device }) => {
    const pieces = Array.from({ length: 3000 }, (_, index) => pattern(17, index))
    await device.write(12_345, pieces)
    t.deepEqual(await bytesAt(device, 12_345, 17 * 3000), Buffer.concat(pieces))
  })

  claim(
    'what is read anew from the disk is what was written, also before it was synced',
    async (t, { device }) => {
      await device.write(8192, [pattern(70_000, 5)])
      await device.uncache()
      t.deepEqual(await bytesAt(device, 8192, 70_000), Buffer.from(pattern(70_000, 5)))
    },
  )

  claim('a write changes nothing beside it', async (t, { device }) => {
    await device.write(0, [pattern(3 * 4096, 1)])
    await device.write(5000, [pattern(100, 9)])
    const expected = Buffer.from(pattern(3 * 4096, 1))
    expected.set(pattern(100, 9), 5000)
    t.deepEqual(await bytesAt(device, 0, 3 * 4096), expected)
  })

  claim('a read across the end of what was written is filled with zeros', async (t, { device }) => {
    await device.write(0, [pattern(1000, 5)])
    const expected = Buffer.concat([pattern(1000, 5)], 9000)
    t.deepEqual(await bytesAt(device, 0, 9000), expected)
  })

  claim('far addresses keep their own bytes', async (t, { device }) => {
    await device.write(50 * MiB, [pattern(4096, 6)])
    await device.write(8192, [pattern(4096, 7)])
    t.true(Buffer.from(pattern(4096, 6)).equals(await bytesAt(device, 50 * MiB, 4096)))
    t.true(Buffer.from(pattern(4096, 7)).equals(await bytesAt(device, 8192, 4096)))
  })

  claim('operations on different places do not disturb each other', async (t, { device }) => {
    const places = Array.from({ length: 32 }, (_, index) => index)
    await Promise.all(places.map(at => device.write(at * 65_536, [pattern(65_536, at)])))
    const found = await Promise.all(places.map(at => bytesAt(device, at * 65_536, 65_536)))
    for (const at of places) t.true(found[at]!.equals(pattern(65_536, at)))
  })

  claim(
    'large writes are whole, however their pieces lie, over short ones and under them',
    async (t, f) => {
      const { device } = f
      const expected = Buffer.alloc(8 * MiB)
      const write = async (position: number, bytes: Uint8Array, cuts: readonly number[]) => {
        expected.set(bytes, position)
        const ends = [...cuts, bytes.length]
        await device.write(
          position,
          ends.map((end, at) => bytes.subarray(cuts[at - 1] ?? 0, end)),
        )
      }
      await write(MiB + 5000, pattern(100_000, 1), [])
      await Promise.all([
        write(0, pattern(3 * MiB, 2), [1, 65_536, 65_537, MiB + 4095]),
        write(3 * MiB, pattern(MiB, 3), [MiB - 1]),
        write(4 * MiB, pattern(MiB + 4096, 4), []),
        write(5 * MiB + 4096, pattern(2 * MiB, 5), [100, 2 * MiB - 100]),
      ])
      t.true(expected.equals(await bytesAt(device, 0, expected.length)))
      await write(MiB + 7, pattern(300_000, 6), [])
      await write(2 * MiB, pattern(512 * 1024, 7), [4096])
      await write(2 * MiB + 10, pattern(10, 8), [])
      t.true(expected.equals(await bytesAt(device, 0, expected.length)))
      await device.sync()
      const again = await f.reopen()
      t.true(expected.equals(await bytesAt(again, 0, expected.length)))
      await again.close()
    },
  )

  claim('what is given back can be written again, and nothing beside it is lost', async (t, f) => {
    const { device } = f
    await device.write(0, [pattern(3 * 65_536, 1)])
    await device.giveBack(65_536, 65_536)
    const expected = Buffer.from(pattern(3 * 65_536, 1))
    t.true((await bytesAt(device, 0, 65_536)).equals(expected.subarray(0, 65_536)))
    t.true((await bytesAt(device, 2 * 65_536, 65_536)).equals(expected.subarray(2 * 65_536)))
    await device.write(65_536, [pattern(65_536, 2)])
    t.true((await bytesAt(device, 65_536, 65_536)).equals(pattern(65_536, 2)))
  })

  claim('a range that is held keeps what was written and reads as zeros', async (t, { device }) => {
    await device.write(0, [pattern(10_000, 1)])
    await device.hold(0, 1 * MiB)
    t.deepEqual(await bytesAt(device, 0, 20_000), Buffer.concat([pattern(10_000, 1)], 20_000))
  })

  claim('reads and writes of nothing do nothing', async (t, { device }) => {
    await device.write(0, [])
    await device.write(0, [new Uint8Array(0)])
    await device.read(0, new Uint8Array(0))
    t.pass()
  })

  claim('what was synced is there when the device is opened again', async (t, fixture) => {
    await fixture.device.write(1 * MiB, [pattern(100_000, 8)])
    await fixture.device.sync()
    const again = await fixture.reopen()
    t.true(Buffer.from(pattern(100_000, 8)).equals(await bytesAt(again, 1 * MiB, 100_000)))
    await again.close()
  })

  claim('a closed device refuses everything, and closing twice is harmless', async (t, f) => {
    const { device } = f
    const closing = device.close()
    await device.close()
    await closing
    const refused = { code: 'CLOSED' }
    await t.throwsAsync(device.read(0, new Uint8Array(1)), refused)
    await t.throwsAsync(device.write(0, [new Uint8Array(1)]), refused)
    await t.throwsAsync(device.sync(), refused)
    await t.throwsAsync(device.space(), refused)
  })

  claim('closing waits for what is on its way', async (t, fixture) => {
    const writing = fixture.device.write(0, [pattern(4 * MiB, 3)])
    await fixture.device.close()
    await writing
    const again = await fixture.reopen()
    t.true(Buffer.from(pattern(4 * MiB, 3)).equals(await bytesAt(again, 0, 4 * MiB)))
    await again.close()
  })
}
