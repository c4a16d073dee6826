/**
 * What a manager sees of a server: it joins, and says of the partitions that it is primary of what their primary has to
 * say, after some time. There is no data.
 */
import type { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { heartbeatIntervalMs, protocolVersion } from '../../network/limits.ts'
import { connect } from '../../network/rpc/connect.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { MemoryNetwork } from '../../network/transport/memory.ts'
import type { MemberReport, View } from '../../network/wire/view.ts'
import { viewFromWire, viewToWire } from '../../network/wire/wire-view.ts'

export interface FakeServerInit {
  readonly env: SimulatedEnv
  readonly network: MemoryNetwork
  readonly manager: string
  readonly name: string
  readonly id?: string
  /** How long a copy takes. */
  readonly copyMs?: number
}

export class FakeServer {
  id: string
  view: View | null = null
  report: MemberReport = { disks: [], inodes: 0, blocks: 0 }
  /** Why it was refused last. */
  refusal: ClusterError | undefined
  readonly #init: FakeServerInit
  /** Partition and epoch of what it has said or is about to say. */
  readonly #said = new Set<string>()
  #peer: Peer | undefined
  #stopped = false

  constructor(init: FakeServerInit) {
    this.#init = init
    this.id = init.id ?? ''
    void this.#run()
  }

  stop(): void {
    this.#stopped = true
    this.#peer?.abort(new ClusterError('CLOSED', 'killed'))
  }

  async #run(): Promise<void> {
    const { timers } = this.#init.env
    while (!this.#stopped) {
      try {
        await this.#attend()
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
        this.refusal = error
        if (error.code === 'REMOVED') return
      }
      this.#peer?.abort(new ClusterError('CLOSED', 'again'))
      await timers.sleep(100)
    }
  }

  async #attend(): Promise<void> {
    const { env, network, manager, name } = this.#init
    const peer = await connect({
      env,
      transport: network.transport(name),
      address: manager,
      hello: { version: protocolVersion, cluster: '', role: 'server', id: this.id },
      service: {
        viewChanged: ({ body }) => {
          this.#follow(peer, body.view && viewFromWire(body.view))
          return { body: {}, payload: [] }
        },
        view: () => ({ body: { view: this.view && viewToWire(this.view) }, payload: [] }),
      },
    })
    this.#peer = peer
    this.#said.clear()
    const place = { addresses: [`memory:${name}`], host: name, domain: name, weight: 1 }
    const epoch = this.view?.epoch ?? 0
    const request = { role: 'server', id: this.id, name, epoch, ...place } as const
    this.id = (await peer.call('join', request)).body.id
    const { view } = (await peer.call('view', {})).body
    this.#follow(peer, view && viewFromWire(view))
    while (!this.#stopped) {
      const epoch = this.view?.epoch ?? 0
      await peer.call('heartbeat', { epoch, report: this.report })
      await env.timers.sleep(heartbeatIntervalMs)
    }
  }

  #follow(peer: Peer, view: View | null): void {
    if (view === null || view.epoch < (this.view?.epoch ?? 0)) return
    this.view = view
    for (const [partition, { primary, replicas, inSync, epoch }] of view.partitions.entries()) {
      if (primary !== this.id) continue
      this.#say(`${partition} ${epoch}`, 5, () =>
        peer.call('partitionServed', { partition, epoch }),
      )
      for (const member of replicas.filter(id => !inSync.includes(id))) {
        const { copyMs = 50 } = this.#init
        this.#say(`${partition} ${epoch} ${member}`, copyMs, () =>
          peer.call('replicaInSync', { partition, epoch, member }),
        )
      }
    }
  }

  /** Refusals are of an epoch that has passed: the next view has it said again. */
  #say(key: string, afterMs: number, say: () => Promise<unknown>): void {
    if (this.#said.has(key)) return
    this.#said.add(key)
    this.#init.env.timers.after(afterMs, () => say().catch(() => undefined))
  }
}
