/** Syncs of other servers, shared by all who want one: a call that comes while one runs waits for the next. */
import type { Peer } from '../../network/rpc/contract.ts'
import type { MemberId } from '../../network/wire/view.ts'

interface Shared {
  running: Promise<void>
  next: Promise<void> | null
}

export class ReplicaSyncs {
  readonly #dial: (member: MemberId) => Promise<Peer>
  readonly #shared = new Map<string, Shared>()

  constructor(dial: (member: MemberId) => Promise<Peer>) {
    this.#dial = dial
  }

  /** @throws ClusterError when it does not answer, or in another life. */
  sync(member: MemberId, incarnation: string): Promise<void> {
    const key = `${member} ${incarnation}`
    const shared = this.#shared.get(key)
    if (shared === undefined) return this.#start(key, member, incarnation)
    const again = () => this.#start(key, member, incarnation)
    shared.next ??= shared.running.then(again, again)
    return shared.next
  }

  #start(key: string, member: MemberId, incarnation: string): Promise<void> {
    const running = this.#call(member, incarnation).finally(() => {
      if (this.#shared.get(key)?.next === null) this.#shared.delete(key)
    })
    this.#shared.set(key, { running, next: null })
    return running
  }

  async #call(member: MemberId, incarnation: string): Promise<void> {
    const peer = await this.#dial(member)
    await peer.call('syncReplica', { incarnation })
  }
}
