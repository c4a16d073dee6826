/** Answers that are errors. */
import type { Answer } from './calls.ts'

export function failed(error: string): Answer {
  return { error }
}

/** Several errors apply: any of them may be told; the first is what Linux says. */
export function oneOf(errors: readonly string[], observed: Answer | undefined): Answer {
  const told = observed?.error
  return failed(told !== undefined && errors.includes(told) ? told : errors[0]!)
}
