import test from 'ava'
import type { Handler, Incoming } from '../network/rpc/contract.ts'
import type { OperationName } from '../network/wire/operations.ts'
import { createService, type ServiceInit } from './service.ts'

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
