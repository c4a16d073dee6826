/** FALLOCATE, LSEEK and COPY_FILE_RANGE, as bytes. */
import test from 'ava'
import { MemoryFileSystem } from './memory-file-system.ts'
import { opcode } from './protocol/numbers.ts'
import { FakeChannel, text, u32, u64 } from './session.test-support.ts'
import { Session } from './session.ts'

function start() {
  const fileSystem = new MemoryFileSystem({ wallNs: () => 1n })
  const channel = new FakeChannel()
  const session = new Session(fileSystem, channel, {
    onReady: () => undefined,
    onUnexpected: error => {
      throw error
    },
  })
  return { fileSystem, channel, session }
}

async function createFile(channel: FakeChannel, session: Session, name: string) {
  const body = [u32(0o102), u32(0o100644), u32(0o022), u32(0), text(name)]
  const reply = await channel.ask(session, opcode.create, 1, body)
  return { node: Number(reply.body.readBigUInt64LE(0)), handle: reply.body.readBigUInt64LE(128) }
}

const keepSize = 1
const punchHole = 2
const zeroRange = 0x10
const collapseRange = 8

test('FALLOCATE grows, punches and zeroes; modes that move data are EOPNOTSUPP', async t => {
  const { channel, session, fileSystem } = start()
  const { node, handle } = await createFile(channel, session, 'file')
  const file = await fileSystem.open(node, { truncate: false })
  const fallocate = async (mode: number, offset: number, length: number) => {
    const body = [u64(handle), u64(BigInt(offset)), u64(BigInt(length)), u32(mode), u32(0)]
    return (await channel.ask(session, opcode.fallocate, node, body)).error
  }
  const content = async () => Buffer.concat(await fileSystem.read(file, 0, 100)).toString('latin1')
  await fileSystem.write(file, 0, Buffer.from('abcdefgh'), {})
  t.is(await fallocate(punchHole | keepSize, 1, 2), 0)
  t.is(await content(), 'a\0\0defgh')
  t.is(await fallocate(zeroRange | keepSize, 6, 100), 0)
  t.is(await content(), 'a\0\0def\0\0')
  t.is(await fallocate(zeroRange, 5, 4), 0)
  t.is(await content(), 'a\0\0de\0\0\0\0')
  t.is(await fallocate(0, 0, 10), 0)
  t.is(await content(), 'a\0\0de\0\0\0\0\0')
  t.is(await fallocate(keepSize, 0, 90), 0)
  t.is((await content()).length, 10)
  for (const mode of [punchHole, collapseRange, 0x20, 0x40, zeroRange | punchHole | keepSize]) {
    t.is(await fallocate(mode, 0, 5), -95, `mode ${mode}`)
  }
  t.is((await content()).length, 10)
})

test('LSEEK finds data and holes, and has mapped pages written before', async t => {
  const { channel, session, fileSystem } = start()
  const { node, handle } = await createFile(channel, session, 'file')
  const lseek = (at: number, whence: number) =>
    channel.ask(session, opcode.lseek, node, [u64(handle), u64(BigInt(at)), u32(whence), u32(0)])
  const file = await fileSystem.open(node, { truncate: false })
  await fileSystem.write(file, 0, Buffer.alloc(100), {})
  t.is((await lseek(7, 3)).body.readBigUInt64LE(0), 7n)
  t.is((await lseek(7, 4)).body.readBigUInt64LE(0), 100n)
  t.is((await lseek(100, 3)).error, -6)
  t.is((await lseek(0, 2)).error, -22)
  t.is(channel.notices.length, 3, 'the file is open to be read and written')
  await channel.ask(session, opcode.release, node, [u64(handle), u64(0n), u64(0n)])
  const readOnly = await channel.ask(session, opcode.open, node, [u32(0), u32(0)])
  const other = readOnly.body.readBigUInt64LE(0)
  await channel.ask(session, opcode.lseek, node, [u64(other), u64(0n), u32(3), u32(0)])
  t.is(channel.notices.length, 3)
  for (const at of [2n ** 53n, 2n ** 63n - 1n, -1n, -(2n ** 63n)]) {
    const offset = u64(BigInt.asUintN(64, at))
    const asked = [u64(other), offset, u32(3), u32(0)]
    t.is((await channel.ask(session, opcode.lseek, node, asked)).error, -6, `${at}`)
  }
})

test('COPY_FILE_RANGE copies up to the end of the source and tells how much', async t => {
  const { channel, session, fileSystem } = start()
  const source = await createFile(channel, session, 'source')
  const target = await createFile(channel, session, 'target')
  const file = await fileSystem.open(source.node, { truncate: false })
  await fileSystem.write(file, 0, Buffer.from('abcdefgh'), {})
  const ask = (length: bigint) => {
    const from = [u64(source.handle), u64(2n), u64(BigInt(target.node)), u64(target.handle)]
    return channel.ask(session, opcode.copyFileRange, source.node, [
      ...from,
      u64(1n),
      u64(length),
      u64(0n),
    ])
  }
  t.is((await ask(3n)).body.readUInt32LE(0), 3)
  t.is((await ask(2n ** 40n)).body.readUInt32LE(0), 6)
  const copy = await fileSystem.open(target.node, { truncate: false })
  t.is(Buffer.concat(await fileSystem.read(copy, 0, 100)).toString('latin1'), '\0cdefgh')
  t.is((await ask(2n ** 60n)).error, -27)
})
