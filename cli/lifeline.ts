/**
 * The line between a supervisor and its children: Node's IPC channel. A child says when it is ready, why
 * it failed, or that it has nothing left to do, and learns from the end of the line that its supervisor is gone.
 */
import { z } from 'zod'

const message = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('progress'), text: z.string() }),
  z.object({ kind: z.literal('ready'), text: z.string() }),
  z.object({ kind: z.literal('failed'), text: z.string() }),
  z.object({ kind: z.literal('finished'), text: z.string() }),
])

export type LifelineMessage = z.infer<typeof message>

/** What came up the line, or null when it is nothing that a child of ours says. */
export function readLifeline(received: unknown): LifelineMessage | null {
  const parsed = message.safeParse(received)
  return parsed.success ? parsed.data : null
}

/** The environment variable that tells a process that it has a supervisor of ours. */
export const lifelineVariable = 'ROOKERY_LIFELINE'

export function hasSupervisor(): boolean {
  return process.connected && wasSupervised()
}

function wasSupervised(): boolean {
  return process.env[lifelineVariable] === '1'
}

/** Resolves when the message has left; harmless without a supervisor. */
export async function tellSupervisor(kind: LifelineMessage['kind'], text: string): Promise<void> {
  if (!hasSupervisor()) return
  // An error here means that the supervisor went away, which `disconnect` tells as well.
  await new Promise<void>(resolve => {
    process.send?.({ kind, text }, undefined, {}, () => resolve())
  })
}

/**
 * Resolves when this process is asked to stop: by a signal, or `orphanDelayMs` after its supervisor died
 * (the later the deeper in the stack, so that a mount goes before its servers; never without it).
 */
export function stopRequest(orphanDelayMs?: number): Promise<string> {
  return new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => resolve(signal))
    }
    if (orphanDelayMs === undefined || !wasSupervised()) return
    const orphaned = (): void => {
      setTimeout(() => resolve('the supervisor is gone'), orphanDelayMs)
    }
    // It may have died while this process was still starting.
    if (process.connected) process.once('disconnect', orphaned)
    else orphaned()
  })
}

/** How long each kind of member outlives its supervisor: from the top of the stack down. */
export const orphanDelayMs = { mount: 0, server: 1_000, manager: 2_000 } as const

/** Lets the process end although the line is open. */
export function cutLifeline(): void {
  if (process.connected) process.disconnect()
}
