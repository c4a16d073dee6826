/**
 * How long the random tests of this room run. Unless told they are the same each time.
 * ROOKERY_MODEL_SEED: another seed, or `random`; ROOKERY_MODEL_RUNS: so many times as many runs;
 * ROOKERY_MODEL_PATH: the one run that a failure named.
 */
export interface Parameters {
  readonly seed: number
  readonly numRuns: number
  readonly path?: string
  readonly includeErrorInReport: true
}

const defaultSeed = 20_260_101

/** @param runs unless told. */
export function parametersOf(log: (text: string) => void, runs = 60): Parameters {
  const {
    ROOKERY_MODEL_SEED: seedText,
    ROOKERY_MODEL_RUNS: factor = '1',
    ROOKERY_MODEL_PATH: path,
  } = process.env
  const random = Math.floor(Math.random() * 2 ** 31)
  const seed = seedText === 'random' ? random : Number(seedText ?? defaultSeed)
  const numRuns = Math.ceil(runs * Number(factor))
  log(`seed ${seed}, ${numRuns} runs`)
  return { seed, numRuns, includeErrorInReport: true, ...(path === undefined ? {} : { path }) }
}
