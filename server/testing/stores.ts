/** What a server of a test's cluster stores in: they outlive it, and hear nothing of it once it has ended. */
import type { Env } from '../../network/env/env.ts'
import { openBlockStore } from '../blocks/block-store.ts'
import type { BlockStore } from '../blocks/contract.ts'
import type { Device } from '../device/contract.ts'
import type { Key } from '../metadata/contract.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { noBlocks } from './no-blocks.ts'
import { StoreDouble } from './store-double.ts'

export interface TestStores {
  readonly store: StoreDouble
  readonly metadata: MetadataStore
  readonly failures: Error[]
  readonly blocks: BlockStore
}

export function storesWithoutBlocks(
  content: Map<Key, Uint8Array>,
  timers: Env['timers'] | null = null,
): TestStores {
  const failures: Error[] = []
  const store = new StoreDouble(content)
  const metadata = new MetadataStore(store, error => failures.push(error), timers)
  return { store, metadata, failures, blocks: noBlocks }
}

/** @throws Error when a block has fallen back, though nothing loses power here. */
export async function storesOn(
  env: Env,
  content: Map<Key, Uint8Array>,
  device: Device,
  partitionCount: number,
): Promise<TestStores> {
  const stores = storesWithoutBlocks(content, env.timers)
  const { store, metadata } = stores
  const blocks = await openBlockStore({
    env,
    device: new DeviceOfOne(device, () => store.isDead),
    index: metadata,
    partitions: [...Array(partitionCount).keys()],
    fallenBack: () => {
      throw new Error('a block fell back although nothing lost power')
    },
    log: {
      error: (fields, message) => stores.failures.push(new Error(message, { cause: fields })),
    },
    onPressure: () => undefined,
  })
  return { ...stores, blocks }
}

/** A device as one process has it: with the process ends what it was about to do. */
class DeviceOfOne implements Device {
  readonly name: string
  readonly #device: Device
  readonly #isDead: () => boolean

  constructor(device: Device, isDead: () => boolean) {
    this.name = device.name
    this.#device = device
    this.#isDead = isDead
  }

  space(): ReturnType<Device['space']> {
    return this.#device.space()
  }

  read(position: number, target: Uint8Array, isLast?: boolean): Promise<void> {
    return this.#alive(() => this.#device.read(position, target, isLast))
  }

  write(position: number, pieces: readonly Uint8Array[]): Promise<void> {
    return this.#alive(() => this.#device.write(position, pieces))
  }

  hold(position: number, length: number): Promise<void> {
    return this.#alive(() => this.#device.hold(position, length))
  }

  giveBack(position: number, length: number): Promise<boolean> {
    return this.#alive(() => this.#device.giveBack(position, length))
  }

  sync(): Promise<void> {
    return this.#alive(() => this.#device.sync())
  }

  uncache(): Promise<void> {
    return this.#alive(() => this.#device.uncache())
  }

  /** The machine keeps it. */
  async close(): Promise<void> {}

  async #alive<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#isDead() ? null : { result: await act() }
    if (done === null || this.#isDead()) return await new Promise<never>(() => undefined)
    return done.result
  }
}
