/** A service by operation number, so that a request finds its handler without a search. */
import assert from 'node:assert/strict'
import { type OperationName, operationNumbers } from '../wire/operations.ts'
import type { Handler, Service } from './contract.ts'

export interface DispatchEntry {
  readonly name: OperationName
  readonly handler: Handler<OperationName>
}

export type Dispatch = readonly (DispatchEntry | undefined)[]

export function dispatchOf(service: Service): Dispatch {
  const entries: (DispatchEntry | undefined)[] = []
  for (const name of Object.keys(operationNumbers) as OperationName[]) {
    const handler = service[name] as Handler<OperationName> | undefined
    if (handler === undefined) continue
    assert(!isGreeting(name), `${name} is answered by rpc itself`)
    const number = operationNumbers[name]
    while (entries.length < number) entries.push(undefined)
    entries[number] = { name, handler }
  }
  return entries
}

/** Whether rpc itself answers it. */
export function isGreeting(name: OperationName): boolean {
  return name === 'hello' || name === 'prove'
}
