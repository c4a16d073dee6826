/** `put` and `get` are one thing in two directions: a copy with progress that may be interrupted. */
import { resolve } from 'node:path'
import type { VolumePath } from './arguments.ts'
import { Failure } from './failure.ts'
import { withVolume } from './file-command.ts'
import { stopRequest } from './lifeline.ts'
import { localTree } from './local-tree.ts'
import type { ClusterOptions } from './options.ts'
import { startProgress } from './progress.ts'
import type { Place } from './tree.ts'
import { copy, measure } from './tree-copy.ts'

export interface CopyCommandOptions extends ClusterOptions {
  readonly recursive?: true
  readonly quiet?: true
}

export async function put(
  from: string,
  to: VolumePath,
  options: CopyCommandOptions,
): Promise<void> {
  await withVolume(to, options, async tree => {
    const target = { tree, path: to.path }
    await run({ tree: localTree, path: resolve(from) }, target, { ...options, durable: true })
  })
}

export async function get(
  from: VolumePath,
  to: string,
  options: CopyCommandOptions,
): Promise<void> {
  await withVolume(from, options, async tree => {
    const target = { tree: localTree, path: resolve(to) }
    await run({ tree, path: from.path }, target, { ...options, durable: false })
  })
}

async function run(
  from: Place,
  to: Place,
  options: CopyCommandOptions & { readonly durable: boolean },
): Promise<void> {
  const interruption = new AbortController()
  void stopRequest().then(signal => {
    interruption.abort(new Failure(`interrupted by ${signal}: what was not complete is removed`))
    // Another one ends this process: a pipe that nobody reads waits for ever.
    process.removeAllListeners(signal)
  })
  const total = await measure(from, options.recursive ?? false)
  const progress = startProgress({ total, unit: 'bytes', quiet: options.quiet ?? false })
  let skipped = 0
  try {
    await copy(from, to, {
      durable: options.durable,
      signal: interruption.signal,
      progress: (bytes, path) => progress.advance(bytes, path),
      skipped: path => {
        skipped++
        progress.advance(0, `skipped ${path}: neither file, directory nor symbolic link`)
      },
    })
  } finally {
    progress.end()
  }
  if (skipped > 0) throw new Failure(`${skipped} sockets, pipes or devices were not copied`)
}
