/**
 * How often blocks were found lost under this boot of the machine, as after a sync that failed: what was given to its kernel is no
 * longer surely there, which is what another boot says to all who have changed something (client/cache/dirty-partitions.ts).
 *
 * 1. It counts with the records that fall back, in one batch: none is as it was before without anybody hearing of it.
 */
import { z } from 'zod'
import { bootAfter } from '../network/membership/host.ts'
import { decodeBody, encodeBody } from '../network/wire/codec.ts'
import type { Key, KeyMutation, KeyReader } from './metadata/contract.ts'

/** Behind every partition's keys. */
const lossesKey: Key = '\xff\xff\xfelosses'

const lossesShape = z.object({ boot: z.string(), count: z.int().nonnegative() })

export class Losses {
  readonly #boot: string
  #count = 0
  #isNoted = false

  /** @param boot identity of this boot of the machine. @throws ZodError, ClusterError where the record cannot be read. */
  constructor(reader: KeyReader, boot: string) {
    this.#boot = boot
    const record = reader.get(lossesKey)
    if (record === undefined) return
    const { boot: counted, count } = lossesShape.parse(decodeBody(record))
    if (counted === boot) this.#count = count
  }

  /** Under which all is served that this process serves. */
  get boot(): string {
    return bootAfter(this.#boot, this.#count)
  }

  /** Blocks fall back. @returns what is to be committed with each of them. */
  note(): KeyMutation {
    if (!this.#isNoted) this.#count++
    this.#isNoted = true
    return { key: lossesKey, value: encodeBody({ boot: this.#boot, count: this.#count }) }
  }
}
