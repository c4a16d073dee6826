/**
 * Children in layers: started from the bottom up, one layer when the one below is ready, and stopped from
 * the top down, each layer gone before the next is told.
 */
import { type ChildPlan, type RestartPolicy, SupervisedChild } from './supervised-child.ts'

export class Supervisor {
  readonly #say: (line: string) => void
  readonly #restart: RestartPolicy | undefined
  readonly #layers: SupervisedChild[][] = []
  #stopping: Promise<void> | null = null

  constructor(say: (line: string) => void, restart?: RestartPolicy) {
    this.#say = say
    this.#restart = restart
  }

  /**
   * Starts a layer and waits until all of it is ready.
   * @param ready called for each child as it becomes ready.
   * @throws Failure of the first child that did not make it; the caller is to call `stop`.
   */
  async start(
    plans: readonly ChildPlan[],
    ready: (name: string, text: string) => void = () => {},
  ): Promise<readonly SupervisedChild[]> {
    if (this.#stopping !== null) return []
    const layer = plans.map(plan => new SupervisedChild(plan, this.#say, this.#restart))
    this.#layers.push(layer)
    await Promise.all(
      layer.map(async child => {
        ready(child.plan.name, await child.start())
      }),
    )
    return layer
  }

  /** Stops everything, top layer first. Never rejects; every child has a deadline of its own. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopLayers()
    return this.#stopping
  }

  async #stopLayers(): Promise<void> {
    for (const layer of this.#layers.toReversed()) {
      this.#say(`stopping ${layer.map(child => child.plan.name).join(', ')}`)
      await Promise.all(layer.map(child => child.stop()))
    }
  }
}
