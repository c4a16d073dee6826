/** How a run is set: the rules' own way, the usual one, and a quick look. */

export const variants = ['official', 'usual', 'quick'] as const
export type Variant = (typeof variants)[number]

/** Least seconds of each write phase. The rules of IO500 ask for 300; less makes no valid submission. */
export const stonewallSecondsOf: { readonly [V in Variant]: number } = {
  official: 300,
  usual: 8,
  quick: 3,
}

export interface RunSettings {
  readonly variant: Variant
  readonly stonewallSeconds: number
  /** Worker processes: `-np` of mpirun. */
  readonly ranks: number
  /** Empty the kernel's caches before phases. */
  readonly dropCaches: boolean
}

/** What the official program's parallel find takes. */
export interface FindSettings {
  /** Processes of it; all ranks unless told. */
  readonly processes: number | null
  readonly queueLength: number | null
}
