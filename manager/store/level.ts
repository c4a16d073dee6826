/** The manager's state in Level: classic-level in its directory, memory-level in tests and simulation. */
import { join } from 'node:path'
import type { AbstractLevel } from 'abstract-level'
import { Level } from 'level'
import { MemoryLevel } from 'memory-level'
import { ClusterError } from '../../network/errors.ts'
import type { ClusterState } from '../membership/state.ts'
import type { ManagerStore } from './contract.ts'
import { decodeState, encodeState } from './record.ts'

type TextLevel = AbstractLevel<string | Buffer | Uint8Array, string, string>

const stateKey = 'state'
/** `sync` is classic-level's: the write is on disk when it resolves. */
const durable = { valueEncoding: 'utf8', sync: true } as const

/**
 * @param directory the manager's; the store takes `state` in it.
 * @throws ClusterError IN_USE when another process has it open, DISK otherwise.
 */
export async function openLevelStore(directory: string): Promise<ManagerStore> {
  const path = join(directory, 'state')
  const level = new Level<string, string>(path)
  try {
    await level.open()
  } catch (error) {
    throw openError(directory, error)
  }
  return new LevelStore(level, path)
}

/** @param level keeps its content when the store is closed, as a disk does. */
export async function openMemoryStore(
  level: MemoryLevel<string, string> = new MemoryLevel(),
): Promise<ManagerStore> {
  await level.open()
  return new LevelStore(level, 'memory')
}

class LevelStore implements ManagerStore {
  readonly #level: TextLevel
  readonly #name: string

  constructor(level: TextLevel, name: string) {
    this.#level = level
    this.#name = name
  }

  async load(): Promise<ClusterState | null> {
    const text = await this.#attempt('read', () => this.#level.get(stateKey))
    return text === undefined ? null : decodeState(text, this.#name)
  }

  async save(state: ClusterState): Promise<void> {
    await this.#attempt('write', () => this.#level.put(stateKey, encodeState(state), durable))
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  async #attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
    if (this.#level.status !== 'open') {
      throw new ClusterError('CLOSED', `the manager's state in ${this.#name} is closed`)
    }
    try {
      return await action()
    } catch (error) {
      const text = `cannot ${what} the manager's state in ${this.#name}: ${String(error)}`
      throw new ClusterError('DISK', text, { cause: error })
    }
  }
}

function openError(directory: string, error: unknown): ClusterError {
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED') {
    const text = `${directory} is in use by another manager: stop it first, or give another directory`
    return new ClusterError('IN_USE', text, { cause: error })
  }
  const text = `cannot open the manager's state in ${directory}: ${String(cause ?? error)}`
  return new ClusterError('DISK', text, { cause: error })
}
