/**
 * One of several managers of a cluster, whose state is in etcd: it serves while it leads, and sends members on
 * to the leader while it does not.
 *
 * 1. It listens all the time; who is answered is decided by the term and the clock at each hello and request.
 * 2. When its term ends its members are cut off, before it campaigns again.
 * 3. It outlives any outage of etcd, as a standby. What it cannot mend ends it: a state that it cannot read, or
 *    that is gone or another cluster's.
 */
import type { MemberCredentials } from '../network/admission/credentials.ts'
import { addressesOf, type ManagerPlace } from '../network/admission/token.ts'
import { ClusterError } from '../network/errors.ts'
import {
  managerElectionIntervalMs,
  managerEntryIntervalMs,
  managerListIntervalMs,
  protocolVersion,
} from '../network/limits.ts'
import { reachable } from '../network/membership/reachable.ts'
import { gauge, type Metric } from '../network/metrics/metric.ts'
import type { Service } from '../network/rpc/contract.ts'
import type { Serving } from '../network/rpc/serve.ts'
import type { HelloRequest, ManagerStatusReply } from '../network/wire/operations.ts'
import {
  keepAdministrator,
  keepAdministratorsManagers,
  managerCredentials,
} from './admission/credentials.ts'
import { createAdmission } from './admission/state.ts'
import { addressesOfLeader, campaign, describeLeader } from './etcd/election.ts'
import type { Etcd } from './etcd/gateway.ts'
import type { EtcdKeys } from './etcd/keys.ts'
import { keysOf } from './etcd/keys.ts'
import { enter, listManagers } from './etcd/registry.ts'
import { Term } from './etcd/term.ts'
import { managerMetrics } from './http/metrics.ts'
import { summarize } from './http/summary.ts'
import type { Lead, ManagerOperations } from './lead.ts'
import { takeLead } from './lead.ts'
import { connectionsOf, serveAll } from './listen.ts'
import { localAddresses, type RunInit, warnOfSettings } from './main.ts'
import type { ClusterState } from './membership/state.ts'
import { createState } from './membership/state.ts'
import { placeOf } from './places.ts'
import { EtcdStore, readState } from './store/etcd.ts'

export interface CandidateInit extends RunInit {
  readonly etcd: Etcd
  /** Of the cluster in this etcd; the same for all of its managers. */
  readonly name: string
  /** Of this manager's machine, for people. */
  readonly host: string
  /** Of a new cluster; an existing one keeps what it was made with. */
  readonly partitionCount: number
  readonly replicaCount: number
  /** Where the credentials of this machine's administrators are left. */
  readonly directory?: string | undefined
}

/** @throws ClusterError IN_USE or BAD_ADDRESS when an address cannot be listened on. */
export async function startCandidate(init: CandidateInit): Promise<Candidate> {
  const candidate = new Candidate(init)
  await candidate.start()
  return candidate
}

export class Candidate {
  readonly id: string
  readonly #init: CandidateInit
  readonly #etcd: Etcd
  readonly #keys: EtcdKeys
  readonly #stop = new AbortController()
  readonly #failed = Promise.withResolvers<Error>()
  readonly #known = Promise.withResolvers<string>()
  #servings: readonly Serving[] = []
  #running: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined
  #leading: { readonly term: Term; readonly lead: Lead } | undefined
  /** Known when it has led once. */
  #cluster = ''
  #page: string | null = null
  /** Known when the cluster's state was seen once. */
  #credentials: MemberCredentials | undefined
  #enteredMs = Number.NEGATIVE_INFINITY
  #places: readonly ManagerPlace[] = []
  #listedMs = Number.NEGATIVE_INFINITY
  /** Addresses of the one that leads. */
  #leaderAt: readonly string[] = []
  /** Why this one does not lead, for members and people. */
  #standby = 'no manager leads yet'

  constructor(init: CandidateInit) {
    this.id = init.env.random.id()
    this.#init = init
    this.#etcd = init.etcd
    this.#keys = keysOf(init.name)
  }

  /** With real ports. */
  get addresses(): readonly string[] {
    return this.#servings.map(({ address }) => address)
  }

  /** Resolves when the cluster is known. */
  get cluster(): Promise<string> {
    return this.#known.promise
  }

  get leads(): boolean {
    return this.#leading?.term.current === true
  }

  /** Resolves when it cannot go on; it is to be closed then. */
  get failed(): Promise<Error> {
    return this.#failed.promise
  }

  /** @throws ClusterError NOT_LEADER. */
  status(): ManagerStatusReply {
    return this.#lead().status()
  }

  /** Those of the cluster only while it leads: one scrape of all managers tells each once. */
  metrics(): readonly Metric[] {
    const leads = gauge('rookery_leads', 'Whether this manager leads.', Number(this.leads))
    if (!this.leads) return [leads]
    return [leads, ...managerMetrics(summarize(this.status()), connectionsOf(this.#servings))]
  }

  /** Whoever asks for the status while this one leads learns that there is a page of it at this URL. */
  announce(page: string): void {
    this.#page = page
    this.#leading?.lead.announce(page)
  }

  async start(): Promise<void> {
    const { env, transports, addresses, log, tally, identity } = this.#init
    this.#servings = await serveAll({
      env,
      transports,
      addresses,
      log,
      tally,
      hello: () => this.#hello(),
      admit: () => void this.#lead(),
      ...(identity === undefined ? {} : { credentials: () => this.#proof() }),
      service: this.#service(),
    })
    const etcd = this.#etcd.name
    log.info({ addresses: this.addresses, etcd }, 'manager is up, as a standby so far')
    this.#running = this.#run()
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all(this.#servings.map(serving => serving.close()))
      this.#stop.abort(new ClusterError('CLOSED', 'this manager stops'))
      await this.#running
    })()
    return this.#closing
  }

  #hello(): HelloRequest {
    return { version: protocolVersion, cluster: this.#cluster, role: 'manager', id: this.id }
  }

  #service(): Service {
    const operations = (): ManagerOperations => this.#lead().service
    return {
      join: incoming => operations().join(incoming),
      heartbeat: incoming => operations().heartbeat(incoming),
      view: incoming => operations().view(incoming),
      managerStatus: incoming => operations().managerStatus(incoming),
      replicaInSync: incoming => operations().replicaInSync(incoming),
      replicaLost: incoming => operations().replicaLost(incoming),
      partitionServed: incoming => operations().partitionServed(incoming),
      drainMember: incoming => operations().drainMember(incoming),
      removeMember: incoming => operations().removeMember(incoming),
      labelMember: incoming => operations().labelMember(incoming),
      admit: incoming => operations().admit(incoming),
      certify: incoming => operations().certify(incoming),
      createToken: incoming => operations().createToken(incoming),
      listTokens: incoming => operations().listTokens(incoming),
      revokeToken: incoming => operations().revokeToken(incoming),
      listKeys: incoming => operations().listKeys(incoming),
      removeKey: incoming => operations().removeKey(incoming),
    }
  }

  /** @throws ClusterError NOT_READY. */
  #proof(): MemberCredentials {
    if (this.#credentials !== undefined) return this.#credentials
    throw new ClusterError(
      'NOT_READY',
      `this manager does not know its cluster yet: ${this.#standby}`,
    )
  }

  #lead(): Lead {
    if (this.#leading?.term.current === true) return this.#leading.lead
    const instead = this.#leaderAt
    throw new ClusterError('NOT_LEADER', `this manager is a standby: ${this.#standby}`, { instead })
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { env } = this.#init
    try {
      while (!signal.aborted) {
        const term = await this.#campaign()
        if (term !== undefined) await this.#serve(term)
        // Fails only when this manager is closed, which ends the loop.
        await env.timers.sleep(managerElectionIntervalMs, signal).catch(() => undefined)
      }
    } catch (error) {
      this.#failed.resolve(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async #campaign(): Promise<Term | undefined> {
    const { host } = this.#init
    const description = describeLeader({ addresses: reachable(this.addresses), host })
    try {
      await this.#learn()
      const result = await campaign({ etcd: this.#etcd, keys: this.#keys, description })
      if (result instanceof Term) return result
      this.#leaderAt = addressesOfLeader(result)
      this.#follow(`the leader is at ${result}`)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      this.#leaderAt = []
      this.#follow(`no leader is known: ${error.message}`, error)
    }
    return undefined
  }

  /** What a standby has to know of the cluster, and what the others have to know of it. */
  async #learn(): Promise<void> {
    const { identity, env } = this.#init
    if (identity === undefined) return
    if (this.#credentials === undefined) {
      const state = await readState(this.#etcd, this.#keys)
      if (state !== null) await this.#becomeKnown(state)
    }
    const nowMs = env.clock.monotonicMs()
    if (nowMs >= this.#enteredMs + managerEntryIntervalMs) {
      await enter(this.#etcd, this.#keys, placeOf(identity.peerId, this.addresses))
      this.#enteredMs = nowMs
    }
    await this.#managers()
  }

  /** Of all that there are; those known last, while etcd does not answer. */
  async #managers(): Promise<readonly ManagerPlace[]> {
    const nowMs = this.#init.env.clock.monotonicMs()
    if (this.#init.identity === undefined || nowMs < this.#listedMs + managerListIntervalMs) {
      return this.#places
    }
    try {
      this.#places = await listManagers(this.#etcd, this.#keys)
      this.#listedMs = nowMs
      void this.#tellAdministrator()
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      this.#init.log.warn({ error }, 'etcd does not tell which managers there are')
    }
    return this.#places
  }

  /** Commands of this machine find the others also when this manager is down. */
  async #tellAdministrator(): Promise<void> {
    const { directory, log } = this.#init
    if (directory === undefined || this.#credentials === undefined) return
    const own = localAddresses(this.addresses)
    const all = new Set([...own, ...addressesOf({ managers: this.#places })])
    try {
      await keepAdministratorsManagers(directory, [...all])
    } catch (error) {
      log.warn({ error }, 'where the managers are is not remembered')
    }
  }

  /** From now on it can prove that it is a manager of the cluster. */
  async #becomeKnown(state: ClusterState): Promise<void> {
    const { identity, directory } = this.#init
    if (identity === undefined || this.#credentials !== undefined) return
    if (directory !== undefined) {
      await keepAdministrator(directory, state, localAddresses(this.addresses))
    }
    this.#credentials = managerCredentials(identity, state)
    this.#known.resolve(state.cluster)
  }

  /** Says each change once. */
  #follow(standby: string, error?: ClusterError): void {
    if (this.#standby === standby) return
    this.#standby = standby
    if (error === undefined) this.#init.log.info({}, standby)
    else this.#init.log.warn({ error }, 'this manager is a standby, and no leader is known')
  }

  /** Leads until the term has ended or this manager is closed. */
  async #serve(term: Term): Promise<void> {
    const { env, log, serversWanted, replaceAfterMs } = this.#init
    const store = new EtcdStore({ etcd: this.#etcd, keys: this.#keys, term })
    try {
      const state = await this.#open(store)
      const credentials = this.#credentials
      const managers = () => this.#managers()
      const waits = { serversWanted, replaceAfterMs }
      const refused = this.#init.tally?.refused
      const own = { store, state, credentials, managers, refused }
      const lead = takeLead({ env, log, ...waits, ...own })
      if (this.#page !== null) lead.announce(this.#page)
      this.#leading = { term, lead }
      const { cluster, view } = state
      log.info({ cluster, epoch: view?.epoch ?? 0 }, 'this manager leads')
      const reason = await this.#endOf(term)
      this.#leaderAt = []
      this.#standby = `it led until now: ${reason.message}`
      if (!this.#stop.signal.aborted) log.warn({ error: reason }, 'this manager leads no more')
      this.#cutOff(reason)
      await lead.stop()
    } catch (error) {
      // A term that ended while the state was looked at: the next attempt tells more.
      if (!(error instanceof ClusterError && error.code === 'NOT_LEADER')) throw error
      log.warn({ error }, 'this manager could not take the lead')
    } finally {
      this.#leading = undefined
      await store.close().catch((error: unknown) => {
        log.warn({ error }, 'etcd could not be told: the lease runs out by itself')
      })
    }
  }

  #endOf(term: Term): Promise<ClusterError> {
    const { signal } = this.#stop
    const closed = Promise.withResolvers<ClusterError>()
    const end = () => closed.resolve(signal.reason)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    return Promise.race([term.ended, closed.promise]).finally(() => {
      signal.removeEventListener('abort', end)
    })
  }

  #cutOff(reason: ClusterError): void {
    for (const { peers } of this.#servings) {
      for (const peer of [...peers]) peer.abort(reason)
    }
  }

  async #open(store: EtcdStore): Promise<ClusterState> {
    const { env, partitionCount, replicaCount } = this.#init
    const where = this.#etcd.name
    let state = await store.load()
    if (state === null) {
      if (this.#cluster !== '') {
        throw new ClusterError(
          'DISK',
          `the state of cluster ${this.#cluster} is gone from ${where}`,
        )
      }
      const cluster = env.random.id()
      const admission = createAdmission(env.random)
      state = createState({ cluster, partitionCount, replicaCount, admission })
      await store.save(state)
    }
    if (this.#cluster !== '' && this.#cluster !== state.cluster) {
      const text = `${where} has the state of cluster ${state.cluster} now, not ${this.#cluster}`
      throw new ClusterError('WRONG_CLUSTER', text)
    }
    if (this.#cluster === '') warnOfSettings(this.#init, state)
    this.#cluster = state.cluster
    await this.#becomeKnown(state)
    this.#credentials?.remove(state.admission?.removed ?? [])
    return state
  }
}
