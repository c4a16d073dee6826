/** How far a longer piece of work has come: a bar on a terminal, plain lines elsewhere, or nothing. */
// A CommonJS package: Node cannot see its names.
import cliProgress from 'cli-progress'
import { formatBytes } from '../network/format/bytes.ts'
import { printableName } from './listing.ts'

export interface Progress {
  /** Tells what was done, which counts `amount` towards the total. */
  advance(amount: number, what: string): void
  /** To be called last, also after a failure. */
  end(): void
}

export interface ProgressOptions {
  readonly total: number
  readonly unit: 'steps' | 'bytes'
  readonly quiet: boolean
}

type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean }

export function startProgress(options: ProgressOptions, stream: Stream = process.stderr): Progress {
  if (options.quiet) return { advance: () => {}, end: () => {} }
  if (stream.isTTY === true) return startBar(options, stream)
  return {
    advance: (_, what) => {
      if (what !== '') stream.write(`${printableName(what)}\n`)
    },
    end: () => {},
  }
}

function startBar({ total, unit }: ProgressOptions, stream: Stream): Progress {
  const bar = new cliProgress.SingleBar({
    stream,
    hideCursor: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    clearOnComplete: unit === 'steps',
    stopOnComplete: false,
    // Its own handlers would keep Ctrl-C from being handled in order.
    gracefulExit: false,
    format: (settings, params, payload) => {
      const shown = cliProgress.Format.BarFormat(params.progress, { ...settings, barsize: 30 })
      const amount = unit === 'bytes' ? formatBytes : String
      return `${shown} ${amount(params.value)} of ${amount(params.total)}  ${payload.what}`
    },
  })
  bar.start(total, 0, { what: '' })
  return {
    advance: (amount, what) =>
      bar.increment(amount, what === '' ? {} : { what: printableName(what) }),
    end: () => bar.stop(),
  }
}
