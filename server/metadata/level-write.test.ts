import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Level } from 'level'
import { MemoryLevel } from 'memory-level'
import type { KeyMutation } from './contract.ts'
import { openLevelStore } from './level.ts'
import { LevelWriter } from './level-write.ts'
import { unsealed } from './sealed.ts'

async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-level-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

async function openLevel(t: ExecutionContext): Promise<Level<Buffer, Uint8Array>> {
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'view' } as const
  const level = new Level<Buffer, Uint8Array>(await scratch(t), encodings)
  await level.open()
  t.teardown(() => level.close())
  return level
}

test('Level reads what was written in this thread, of any bytes and length', async t => {
  const level = await openLevel(t)
  const writer = LevelWriter.of(level)!
  const lengths = [0, 1, 150, 65_500, 65_536, 1_000_000]
  const written = lengths.map((length, index) => ({
    key: `\x00\xff\x80${index}`,
    value: Buffer.alloc(length, index + 1),
  }))
  for (const mutation of written) writer.write([mutation])
  writer.write([{ key: 'gone', value: Buffer.from('a') }, ...written])
  writer.write([{ key: 'gone', value: null }])
  for (const { key, value } of written) {
    const bytes = Buffer.from(key, 'latin1')
    const record = await level.get(bytes)
    t.is(Buffer.compare(unsealed(bytes, record!)!, value), 0, `${value.length} bytes`)
  }
  t.is((await level.keys().all()).length, written.length)
})

test('a batch written in this thread counts as a whole, its last mutation of a key last', async t => {
  const level = await openLevel(t)
  const writer = LevelWriter.of(level)!
  const value = Buffer.from('b')
  const twice: KeyMutation[] = [
    { key: 'a', value },
    { key: 'a', value: null },
    { key: 'c', value: null },
    { key: 'c', value },
  ]
  writer.write(twice)
  const keys = await level.keys().all()
  t.deepEqual(
    keys.map(key => key.toString()),
    ['c'],
  )
  t.notThrows(() => writer.write([]))
})

test('what was written in this thread survives kill -9 of the process', async t => {
  const directory = await scratch(t)
  const store = JSON.stringify(new URL('./level.ts', import.meta.url).href)
  const program = `
    const { openLevelStore } = await import(${store})
    const store = await openLevelStore(${JSON.stringify(directory)})
    for (let i = 0; i < 500; i++) {
      await store.batch([{ key: 'k' + i, value: Buffer.alloc(700, i) }], { sync: false })
    }
    process.kill(process.pid, 'SIGKILL')`
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program])
  t.is(signal, 'SIGKILL')
  const again = await openLevelStore(directory)
  t.teardown(() => again.close())
  for (let i = 0; i < 500; i++) t.is(again.get(`k${i}`)?.[699], i & 255)
})

test('a store that was closed, or that is not the Level known here, is not written to', async t => {
  const level = await openLevel(t)
  const writer = LevelWriter.of(level)!
  await level.close()
  t.throws(() => writer.write([{ key: 'a', value: null }]), { instanceOf: RangeError })
  t.is(LevelWriter.of(level), null)
  t.is(LevelWriter.of(new MemoryLevel()), null)
  t.is(LevelWriter.of({ [Symbol('context')]: 1 }), null)
})
