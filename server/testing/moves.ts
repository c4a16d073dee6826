/** What a manager does about copies, in a test's cluster: views as the test wants them, and as servers report. */
import { ClusterError } from '../../network/errors.ts'
import { beaconIntervalMs } from '../../network/limits.ts'
import type { OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { MemberId, PartitionState } from '../../network/wire/view.ts'
import type { TestCluster } from './cluster.ts'

type Holders = Pick<PartitionState, 'replicas' | 'inSync' | 'primary'>

export class TestMoves {
  /** Partitions whose primary has said that it serves them, and in which epoch. */
  readonly served: { readonly partition: number; readonly epoch: number }[] = []
  /** Whether anything is heard here. */
  isUp = true
  readonly #cluster: TestCluster

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
    cluster.askManager = (from, name, request) => this.#asked(from, name, request)
  }

  /**
   * All servers but one follow the view in which the partition is held so; they need not have done it yet.
   * @param unseenBy the one that hears of a later view only.
   */
  show(partition: number, holders: Holders, unseenBy?: MemberId): void {
    const { view } = this.#cluster
    const { epoch } = view.partitions[partition]!
    const partitions = view.partitions.with(partition, { ...holders, epoch: epoch + 1 })
    this.#cluster.view = { ...view, epoch: view.epoch + 1, partitions }
    for (const server of this.#cluster.servers.values()) {
      if (server.id === unseenBy) continue
      server.partitions
        .follow(this.#cluster.view)
        .catch(error => this.#cluster.logged.push([server.id, 'cannot follow', error]))
    }
  }

  /** Has a copy made on one more server, and waits until it is in sync and has given its lease. */
  async copy(partition: number, to: MemberId): Promise<void> {
    const { replicas, inSync, primary } = this.#stateOf(partition)
    this.show(partition, { replicas: [...replicas, to], inSync, primary })
    await this.until(() => this.#stateOf(partition).inSync.includes(to))
    await this.#cluster.env.advance(beaconIntervalMs)
  }

  /** Makes another holder the primary, and waits until it serves. */
  async handOver(partition: number, to: MemberId): Promise<void> {
    const { replicas, inSync } = this.#stateOf(partition)
    this.show(partition, { replicas, inSync, primary: to })
    const { epoch } = this.#stateOf(partition)
    await this.until(() =>
      this.served.some(one => one.partition === partition && one.epoch >= epoch),
    )
  }

  /** Only the primary keeps a copy. */
  dropOthers(partition: number): void {
    const { primary } = this.#stateOf(partition)
    this.show(partition, { replicas: [primary!], inSync: [primary!], primary })
  }

  /** @throws Error when it does not become so. */
  async until(done: () => boolean): Promise<void> {
    if (!(await this.#cluster.env.run(done, limitMs))) throw new Error('no end in sight')
  }

  #stateOf(partition: number): PartitionState {
    return this.#cluster.view.partitions[partition]!
  }

  async #asked(from: MemberId, name: OperationName, request: object): Promise<unknown> {
    if (!this.isUp) throw new ClusterError('UNREACHABLE', 'the manager is down')
    const { partition, epoch } = request as RequestOf<'partitionServed'>
    const state = this.#stateOf(partition)
    if (state.primary !== from) throw new ClusterError('STALE_EPOCH', `partition ${partition}`)
    if (name === 'partitionServed') {
      this.served.push({ partition, epoch })
      return {}
    }
    if (state.epoch !== epoch) throw new ClusterError('STALE_EPOCH', `partition ${partition}`)
    const { member } = request as RequestOf<'replicaInSync'>
    const others = state.inSync.filter(id => id !== member)
    this.show(partition, {
      ...state,
      inSync: name === 'replicaInSync' ? [...others, member] : others,
    })
    return {}
  }
}

const limitMs = 120_000
