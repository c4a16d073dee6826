/** What servers tell of the view, where they go by a newer one than this client. */
import type { Log } from '../../network/log.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { viewFromWire } from '../../network/wire/wire-view.ts'
import type { ViewSource } from './contract.ts'

export class ViewsOfServers {
  readonly #membership: Pick<ViewSource, 'adopt'>
  readonly #log: Log

  constructor(membership: Pick<ViewSource, 'adopt'>, log: Log) {
    this.#membership = membership
    this.#log = log
  }

  /** Takes the view of this server, if there is a connection to it and the view is newer. */
  async fetch(from: { readonly server: MemberId; readonly current: Peer | null }): Promise<void> {
    const { server, current } = from
    if (current === null) return
    try {
      const { view } = (await current.call('view', {})).body
      if (view !== null) this.#membership.adopt(viewFromWire(view))
    } catch (error) {
      // The manager may still tell us, and a call that needs it is retried until its deadline.
      this.#log.warn({ server, error }, 'cannot fetch the view')
    }
  }
}
