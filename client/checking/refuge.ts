/** The volume for what has no name any more: made when it is first needed. */
import type { Ino } from '../../network/wire/ids.ts'
import type { Cluster } from '../cluster/contract.ts'
import { createVolume, listVolumes } from '../fs/volumes.ts'

export const refugeName = 'lost-found'

export class Refuge {
  readonly #cluster: Cluster
  #ino: Promise<Ino> | null = null

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** @throws PosixError */
  ino(): Promise<Ino> {
    this.#ino ??= this.#find()
    return this.#ino
  }

  async #find(): Promise<Ino> {
    const volumes = await listVolumes(this.#cluster)
    const known = volumes.find(({ name }) => name === refugeName)
    return (known?.attributes ?? (await createVolume(this.#cluster, refugeName))).ino
  }
}
