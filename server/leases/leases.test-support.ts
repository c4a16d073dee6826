/** Leases of a server whose clients answer recalls when they are told to, or never. */
import { SimulatedEnv } from '../../network/env/simulated.ts'
import type { RecallLeasesRequest } from '../../network/wire/operations.ts'
import { LeasedKey, ReadLeases, type ReadLeasesInit } from './read-leases.ts'

/** A client that answers recalls when it is told to, or never. */
export class FakeClient {
  readonly recalled: RecallLeasesRequest[] = []
  answers: Promise<void> = Promise.resolve()

  // biome-ignore lint/suspicious/noExplicitAny: of all operations it knows one.
  call: any = async (_: string, request: RecallLeasesRequest) => {
    this.recalled.push(request)
    await this.answers
    return { body: {}, payload: [] }
  }
}

export const never = new Promise<void>(() => undefined)

export function setUp(init: Partial<ReadLeasesInit> = {}) {
  const env = new SimulatedEnv({ seed: 1 })
  const leases = new ReadLeases({ env, serves: () => true, isNew: true, ...init })
  const begin = (client: string) => {
    const fake = new FakeClient()
    return { fake, generation: leases.renew(client, fake, 0).generation }
  }
  const met = (leased: string, client: string | null): Promise<void> | null =>
    metBy(() => leases.check(leased, client))
  const metReading = (leased: string, client: string): Promise<void> | null =>
    metBy(() => leases.checkRead(leased, client))
  const metBy = (step: () => void): Promise<void> | null => {
    try {
      step()
      return null
    } catch (error) {
      if (error instanceof LeasedKey) return error.released
      throw error
    }
  }
  const isOver = async (promise: Promise<void>) => {
    const pending = Symbol('pending')
    await env.advance(0)
    return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
  }
  return { env, leases, begin, met, metReading, isOver }
}
