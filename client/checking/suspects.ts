/** What a pass over the cluster suspects: kept apart by fault, each once, up to a bound. */
import { noRemains, type Suspicion } from '../../network/checking/rules.ts'
import { maxSuspicions } from '../../network/limits.ts'
import { makeIno, partitionOfIno } from '../../network/wire/ids.ts'
import type { DamagedRecord } from '../../network/wire/operations.ts'

export interface Suspect extends Suspicion {
  /** The record in doubt, where it is one. */
  readonly key: Uint8Array
}

const noKey: Uint8Array = new Uint8Array(0)

export class Suspects {
  readonly #suspects = new Map<string, Suspect>()
  #beyond = 0

  /** Those that came when there was no more room. */
  get beyond(): number {
    return this.#beyond
  }

  [Symbol.iterator](): Iterator<Suspect> {
    return this.#suspects.values()
  }

  add(suspicion: Suspicion, key = noKey): void {
    const suspect = { ...suspicion, key }
    if (this.#suspects.size < maxSuspicions) this.#suspects.set(identityOf(suspect), suspect)
    else this.#beyond++
  }

  addRecord({ fault, subject, key }: DamagedRecord): void {
    this.add({ fault, subject, names: [], remains: noRemains }, key)
  }
}

/** The same for the same fault at the same place, in this pass and another. */
export function identityOf({ fault, subject, key, names, remains }: Suspect): string {
  const [place] = names
  const isPlaced = fault === 'dangling-entry' && place !== undefined
  const name = isPlaced ? `${place.partition} ${place.directory}.${place.cookie}` : ''
  return `${fault} ${subject} ${Buffer.from(key).toString('hex')} ${name} ${remains.generation}`
}

/** A number in the partition that is to look into it. */
export function homeOf({ fault, subject, key, names }: Suspect): number {
  if (key.length > 2) return makeIno(key[0]! * 256 + key[1]!, 0)
  if (fault === 'partition-count') return makeIno(subject, 0)
  const [place] = names
  if (fault === 'dangling-entry' && place !== undefined) return makeIno(place.partition, 0)
  return makeIno(partitionOfIno(subject), 0)
}
