/**
 * How often blocks were found lost under this boot of the machine, as after a sync that failed: what was given to its kernel is no
 * longer surely there, which is what another boot says to all who have changed something (client/cache/dirty-partitions.ts).
 *
 * 1. It counts with the records that fall back, in one batch: none is as it was before without anybody hearing of it.
 * 2. No two servers call a boot the same: what one has lost the other does not vouch for, when a partition goes there.
 */
import { z } from 'zod'
import type { Random } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { bootOfServer } from '../network/membership/host.ts'
import { decodeBody, encodeBody } from '../network/wire/codec.ts'
import type { MemberId } from '../network/wire/view.ts'
import type { Key, KeyMutation, KeyReader } from './metadata/contract.ts'

/** Behind every partition's keys. */
const lossesKey: Key = '\xff\xff\xfelosses'

const lossesShape = z.object({ boot: z.string(), count: z.int().nonnegative() })

export interface LossesInit {
  readonly reader: KeyReader
  /** Identity of this boot of the machine. */
  readonly boot: string
  readonly server: MemberId
  readonly random: Random
}

export class Losses {
  readonly #init: LossesInit
  #count = 0
  #isNoted = false

  constructor(init: LossesInit) {
    this.#init = init
    const { reader, boot, random } = init
    try {
      const record = reader.get(lossesKey)
      if (record === undefined) return
      const { boot: counted, count } = lossesShape.parse(decodeBody(record))
      if (counted === boot) this.#count = count
    } catch (error) {
      // As much as was ever counted may be lost: a number that was never told says so.
      if (!(error instanceof z.ZodError || error instanceof ClusterError)) throw error
      this.#count = 1 + random.integer(2 ** 31)
    }
  }

  /** Under which all is served that this process serves. */
  get boot(): string {
    const { boot, server } = this.#init
    return bootOfServer(boot, server, this.#count)
  }

  /** Blocks fall back. @returns what is to be committed with each of them. */
  note(): KeyMutation {
    if (!this.#isNoted) this.#count++
    this.#isNoted = true
    return { key: lossesKey, value: encodeBody({ boot: this.#init.boot, count: this.#count }) }
  }
}
