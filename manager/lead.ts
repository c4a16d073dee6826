/** What a manager does while it leads: the roster, its members, and the look at who fell silent. */
import type { MemberCredentials } from '../network/admission/credentials.ts'
import type { RefusalTally } from '../network/admission/refusal-tally.ts'
import { addressesOf, type ManagerPlace } from '../network/admission/token.ts'
import type { Env } from '../network/env/env.ts'
import { heartbeatIntervalMs, removalDelayMs } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import type { ManagerStatusReply } from '../network/wire/operations.ts'
import { AdmissionDesk, type AdmissionOperations } from './admission/service.ts'
import { Roster } from './membership/roster.ts'
import type { MemberOperations } from './membership/service.ts'
import { MemberService } from './membership/service.ts'
import type { ClusterState } from './membership/state.ts'
import type { ManagerStore } from './store/contract.ts'

export interface LeadInit {
  readonly env: Env
  readonly log: Log
  readonly serversWanted: number
  /** As in the roster. */
  readonly replaceAfterMs?: number | undefined
  /** Stays open when the lead has ended. */
  readonly store: ManagerStore
  /** As the store has it. */
  readonly state: ClusterState
  /** Of this manager, which learns of whoever is removed; nobody is asked for a proof without. */
  readonly credentials?: MemberCredentials | undefined
  /** All managers of the cluster. */
  readonly managers: () => Promise<readonly ManagerPlace[]>
  /** Counts those who are refused, where somebody asked for it. */
  readonly refused?: RefusalTally | undefined
}

/** What a manager that leads answers to. */
export type ManagerOperations = MemberOperations & AdmissionOperations

export interface Lead {
  readonly service: ManagerOperations
  status(): ManagerStatusReply
  /** Whoever asks for the status learns that there is a page of it at this URL. */
  announce(page: string): void
  /** Resolves when no change is under way any more; to be called when nobody is served. */
  stop(): Promise<void>
}

export function takeLead(init: LeadInit): Lead {
  const { env, log, credentials, managers, refused } = init
  const roster = new Roster({
    ...init,
    published: view => members.push(view),
    saved: ({ admission }) => {
      // Who is removed is to hear of it: it ends then, instead of knocking for ever.
      env.timers.after(removalDelayMs, () => credentials?.remove(admission?.removed ?? []))
    },
  })
  const members = new MemberService({
    roster,
    log,
    managers: async () => addressesOf({ managers: await managers() }),
  })
  const desk = new AdmissionDesk({
    env,
    log,
    state: () => roster.state,
    change: change => roster.update(change),
    managers,
    refused,
  })
  const watch = env.timers.every(heartbeatIntervalMs, () => roster.expire())
  return {
    service: { ...members.service, ...desk.service },
    status: () => roster.status(),
    announce(page) {
      roster.page = page
    },
    async stop() {
      watch.cancel()
      await roster.close()
    },
  }
}
