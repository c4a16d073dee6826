import test from 'ava'
import { ClusterError } from '../network/errors.ts'
import type { Handler, Incoming } from '../network/rpc/contract.ts'
import { clusterRootIno } from '../network/wire/ids.ts'
import type { OperationName } from '../network/wire/operations.ts'
import { createService, type ServiceInit } from './service.ts'
import { guardVolumes } from './volume-guard.ts'

const unused = new Proxy({}, { get: () => () => undefined })

test('a client may not ask for what servers do among themselves', t => {
  const parts = { get: () => unused }
  const service = createService(new Proxy({}, parts) as unknown as ServiceInit)
  for (const name of ['prepare', 'decide', 'outcome', 'cutBlocks', 'parent'] as const) {
    const handler = service[name] as Handler<OperationName>
    const incoming = { peer: { hello: { role: 'client' } }, body: {} } as Incoming<OperationName>
    t.throws(() => handler(incoming), { message: /for servers only/ }, name)
  }
})

test('a commit that fails is told to who waits for it, not to who has it hurried', async t => {
  const store = { settled: () => Promise.reject(new Error('the disk is gone')) }
  const parts = {
    get: (_: object, name: string) => (name === 'admit' ? () => ({ store }) : unused),
  }
  const service = createService(new Proxy({}, parts) as unknown as ServiceInit)
  const handler = service.hurry as Handler<OperationName>
  const rejections: unknown[] = []
  const note = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', note)
  await handler({ peer: { hello: { role: 'client' } }, body: {} } as Incoming<OperationName>)
  await new Promise(resolve => setTimeout(resolve, 10))
  process.off('unhandledRejection', note)
  t.deepEqual(rejections, [])
})

test('a client makes and deletes no volumes, and moves nothing among them', t => {
  const asked: string[] = []
  const handle = (name: string) => () => {
    asked.push(name)
    return { body: {}, payload: [] }
  }
  const names = ['create', 'createTemporary', 'mkdir', 'unlink', 'rmdir', 'rename', 'link'] as const
  const service = guardVolumes(Object.fromEntries(names.map(name => [name, handle(name)])))
  const ask = (name: OperationName, role: string | null, body: object) => {
    const proven = role === null ? null : { role }
    const handler = service[name] as Handler<OperationName>
    return handler({ peer: { proven }, body } as unknown as Incoming<OperationName>)
  }
  for (const name of names) {
    for (const parent of [clusterRootIno, `${clusterRootIno}`]) {
      t.throws(() => ask(name, 'client', { parent }), { code: 'EPERM' }, name)
    }
    ask(name, 'client', { parent: clusterRootIno + 1 })
    ask(name, 'admin', { parent: clusterRootIno })
    ask(name, null, { parent: clusterRootIno })
  }
  const newParent = clusterRootIno
  t.throws(() => ask('rename', 'client', { parent: 2, newParent }), { code: 'EPERM' })
  t.is(asked.length, 3 * names.length)
})

test('what a write rests on is looked at when it is its turn, not while it waits to be fetched', async t => {
  let isOver = false
  let isWritten = false
  const known: Readonly<Record<string, unknown>> = {
    admit: () => ({ id: 1 }),
    slots: { once: (...[, , , run]: unknown[]) => (run as () => unknown)() },
    clientMemory: {
      fetching: async (...[, , step]: unknown[]) => {
        isOver = true
        return await (step as (data: Uint8Array) => unknown)(new Uint8Array(1))
      },
    },
    writers: {
      check: () => {
        if (isOver) throw new ClusterError('STALE_WRITE', 'its term is over')
        return null
      },
    },
    blocks: {
      write: () => {
        isWritten = true
      },
    },
  }
  const parts = { get: (_: object, name: string) => known[name] ?? unused }
  const service = createService(new Proxy({}, parts) as unknown as ServiceInit)
  const handler = service.writeBlock as Handler<OperationName>
  const body = { offered: { bytes: 1, places: new Uint8Array(16) } }
  const incoming = { peer: { hello: { role: 'client', id: 'k1' } }, body, payload: [] }
  const writing = async () => await handler(incoming as unknown as Incoming<OperationName>)
  await t.throwsAsync(writing, { message: /its term is over/ })
  t.false(isWritten)
})
