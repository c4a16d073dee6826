/**
 * Checks a whole cluster while it is in use, and repairs it if told to: pass after pass, until one finds
 * nothing more to repair. Only what the servers confirmed under their locks is told.
 */
import { maxCheckPasses, maxFindingsTold } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { NamePlace } from '../../network/wire/operations.ts'
import type { Cluster } from '../cluster/contract.ts'
import type { CheckOptions, CheckReport, Finding, Outcome } from './contract.ts'
import { type Examined, FollowUp } from './follow-up.ts'
import { Pass } from './pass.ts'
import { Paths } from './paths.ts'
import { Refuge } from './refuge.ts'
import { identityOf, type Suspect } from './suspects.ts'

interface Gathered {
  /** What was repaired in any pass. */
  readonly repaired: Examined[]
  /** What the last pass left. */
  left: Examined[]
  untold: number
  undecided: number
}

/** @throws PosixError EIO when a server does not answer; the reason of the signal. */
export async function checkCluster(cluster: Cluster, options: CheckOptions): Promise<CheckReport> {
  const refuge = new Refuge(cluster)
  const gathered: Gathered = { repaired: [], left: [], untold: 0, undecided: 0 }
  for (let passes = 1; ; passes++) {
    const pass = new Pass(cluster, options)
    const followUp = new FollowUp(cluster, options, refuge)
    await pass.run()
    const repairs = await gather(gathered, pass, followUp)
    if (repairs > 0 && passes < maxCheckPasses) continue
    const findings = await findingsOf(cluster, followUp, gathered)
    const { untold, undecided } = gathered
    const { partitionCount: partitions } = cluster
    return { passes, partitions, ...pass.counts, findings, untold, undecided }
  }
}

/** @returns how much was repaired in this pass. */
async function gather(gathered: Gathered, pass: Pass, followUp: FollowUp): Promise<number> {
  gathered.left = []
  gathered.undecided = 0
  gathered.untold = pass.suspects.beyond
  let repairs = 0
  for await (const examined of followUp.run(pass.suspects)) {
    const { verdict } = examined.reply
    if (verdict === 'repaired') repairs++
    if (verdict === 'undecided') gathered.undecided++
    else if (gathered.repaired.length + gathered.left.length >= maxFindingsTold) gathered.untold++
    else if (verdict === 'repaired') gathered.repaired.push(examined)
    else gathered.left.push(examined)
  }
  return repairs
}

async function findingsOf(
  cluster: Cluster,
  followUp: FollowUp,
  { repaired, left }: Gathered,
): Promise<Finding[]> {
  const told = new Map<string, Examined>()
  for (const examined of [...left, ...repaired]) {
    const identity = identityOf(examined.suspect)
    if (!told.has(identity)) told.set(identity, examined)
  }
  const paths = new Paths(cluster)
  const findings: Finding[] = []
  const all = [...told.values()]
  const subjects = new Set(all.map(({ suspect }) => inodeOf(suspect)))
  subjects.delete(0)
  const names = await namesOf(followUp, [...subjects].slice(0, maxPathsTold))
  for (const { suspect, reply } of all) {
    const { fault, subject } = suspect
    const place = suspect.names.find(({ cookie }) => cookie > 0) ?? names.get(inodeOf(suspect))?.[0]
    const path = place === undefined ? null : await paths.ofName(place)
    const outcome = reply.verdict as Outcome
    findings.push({ fault, outcome, subject, path, detail: reply.detail })
  }
  return findings
}

/** 0 where no inode is concerned. */
function inodeOf({ fault, subject }: Suspect): Ino {
  return fault === 'partition-count' ? 0 : subject
}

async function namesOf(
  followUp: FollowUp,
  inos: readonly number[],
): Promise<ReadonlyMap<number, readonly NamePlace[]>> {
  return inos.length === 0 ? new Map() : await followUp.namesOf(inos)
}

/** Names are looked for in all directories: for so many at a time. */
const maxPathsTold = 4096
