import test from 'ava'
import { type OperationName, operationNumbers } from '../wire/operations.ts'
import { admissionRoles } from './contract.ts'
import { mayCall, stranger } from './roles.ts'

const operations = Object.keys(operationNumbers) as OperationName[]
const everybody = [...admissionRoles, stranger] as const

test('somebody may call each operation but those of the greeting', t => {
  for (const name of operations) {
    const greeting = name === 'hello' || name === 'prove'
    t.is(
      everybody.some(role => mayCall(role, name)),
      !greeting,
      name,
    )
  }
})

test('whatever a client may, an administrator may', t => {
  for (const name of operations) {
    if (mayCall('client', name)) t.true(mayCall('admin', name), name)
  }
})

test('a client may not do what servers, managers and administrators do', t => {
  const others: readonly OperationName[] = [
    ...([
      'prepare',
      'decide',
      'outcome',
      'cutBlocks',
      'feed',
      'openFeed',
      'yieldPartition',
    ] as const),
    ...(['replicaInSync', 'replicaLost', 'partitionServed', 'viewChanged'] as const),
    ...(['checkScan', 'examine', 'setQuota'] as const),
  ]
  for (const name of others) t.false(mayCall('client', name), name)
})

test('a stranger may be admitted, if that, and nothing else', t => {
  const open = operations.filter(name => mayCall(stranger, name))
  t.true(
    open.every(name => String(name) === 'admit'),
    open.join(),
  )
})
