/**
 * What each server last said of its space, so that df(1) neither fails nor hangs when one of them is away.
 *
 * 1. A server is waited for `statfsWaitMs` at most, and not again while it has not answered.
 * 2. While it is away, what it holds counts and what it had free does not: nobody can write there.
 * 3. One request to a server is on its way at a time.
 */
import { statfsWaitMs } from '../../network/limits.ts'
import type { StatfsReply } from '../../network/wire/operations.ts'
import type { MemberId } from '../../network/wire/view.ts'
import type { Cluster } from '../cluster/contract.ts'

interface Asked {
  readonly share: Promise<StatfsReply | null>
  /** It was waited for once, in vain. */
  late: boolean
}

export class SpaceShares {
  readonly #cluster: Cluster
  readonly #last = new Map<MemberId, StatfsReply>()
  readonly #asked = new Map<MemberId, Asked>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Of all servers that have a part in the file system; those that never answered are left out. */
  async all(): Promise<readonly StatfsReply[]> {
    const servers = this.#cluster.servers()
    for (const server of this.#last.keys()) if (!servers.includes(server)) this.#last.delete(server)
    const shares = await Promise.all(servers.map(server => this.#shareOf(server)))
    return shares.filter(share => share !== null)
  }

  /** As they are now; null while one of the servers is away. */
  async allPresent(): Promise<readonly StatfsReply[] | null> {
    const shares = await Promise.all(this.#cluster.servers().map(server => this.#answerOf(server)))
    const present = shares.filter(share => share !== null)
    return present.length === shares.length ? present : null
  }

  async #answerOf(server: MemberId): Promise<StatfsReply | null> {
    const asked = this.#asked.get(server) ?? this.#ask(server)
    const share = asked.late ? null : await this.#inTime(asked)
    if (share === null) asked.late = true
    return share
  }

  async #shareOf(server: MemberId): Promise<StatfsReply | null> {
    const share = await this.#answerOf(server)
    if (share !== null) return share
    const last = this.#last.get(server)
    return last === undefined ? null : { ...last, freeBytes: 0, ownFreeBytes: 0, freeFiles: 0 }
  }

  #ask(server: MemberId): Asked {
    const answered = this.#cluster.ask('statfs', server, {}).then(
      ({ body }) => {
        this.#last.set(server, body)
        return body
      },
      () => null,
    )
    const share = answered.finally(() => this.#asked.delete(server))
    const asked = { share, late: false }
    this.#asked.set(server, asked)
    return asked
  }

  async #inTime({ share }: Asked): Promise<StatfsReply | null> {
    const late = new AbortController()
    const { timers } = this.#cluster.env
    const pause = timers.sleep(statfsWaitMs, late.signal).then(
      () => null,
      () => null,
    )
    const first = await Promise.race([share, pause])
    late.abort()
    return first
  }
}
