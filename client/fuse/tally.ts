/**
 * Counts what the kernel asks of a mount: requests, how long they took, which failed, and bytes of files.
 *
 * 1. A slot holds one request at a time: `#startedMs` is that of the one in it.
 */
import type { Env } from '../../network/env/env.ts'
import { maxFuseSlots } from '../../network/limits.ts'
import { Durations } from '../../network/metrics/durations.ts'
import {
  counter,
  type Distribution,
  type Metric,
  type Sample,
} from '../../network/metrics/metric.ts'
import { opcode, opcodeLimit } from './protocol/numbers.ts'

export class FuseTally {
  /** Bytes of files that programs have read and written. */
  readBytes = 0
  writtenBytes = 0
  readonly #durations: Durations
  readonly #startedMs = new Float64Array(maxFuseSlots)
  readonly #failed = new Float64Array(opcodeLimit)

  constructor(env: Env) {
    this.#durations = new Durations(env, opcodeLimit)
  }

  began(slot: number): void {
    this.#startedMs[slot] = this.#durations.nowMs()
  }

  /** @param errno 0 for success. */
  ended(slot: number, operation: number, errno: number): void {
    if (operation >= opcodeLimit) return
    this.#durations.ended(operation, this.#startedMs[slot]!)
    if (errno !== 0) this.#failed[operation]! += 1
  }

  metrics(): readonly Metric[] {
    const distributions: Distribution[] = []
    const failed: Sample[] = []
    for (const [operation, number] of Object.entries(opcode)) {
      const found = this.#durations.distribution(number, { operation })
      if (found === null) continue
      distributions.push(found)
      failed.push({ labels: { operation }, value: this.#failed[number]! })
    }
    return [
      {
        kind: 'histogram',
        name: 'rookery_fuse_seconds',
        help: 'Time from a request of the kernel to its answer, by operation.',
        distributions,
      },
      counter('rookery_fuse_errors_total', 'Requests answered with an error.', failed),
      counter('rookery_file_read_bytes_total', 'Bytes that programs have read.', this.readBytes),
      counter(
        'rookery_file_written_bytes_total',
        'Bytes that programs have written.',
        this.writtenBytes,
      ),
    ]
  }
}
