/** Which function serves which opcode. What is missing here is answered with ENOSYS. */
import { opcode, opcodeLimit } from '../protocol/numbers.ts'
import type { Handler } from '../session.ts'
import * as attributes from './attributes.ts'
import * as control from './control.ts'
import * as directories from './directories.ts'
import * as files from './files.ts'
import * as locks from './locks.ts'
import * as names from './names.ts'
import * as space from './space.ts'
import * as xattrs from './xattrs.ts'

export const handlers: readonly (Handler | undefined)[] = fill()

function fill(): readonly (Handler | undefined)[] {
  const table = new Array<Handler | undefined>(opcodeLimit).fill(undefined)
  for (const room of [attributes, control, directories, files, locks, names, space, xattrs]) {
    for (const [label, handler] of Object.entries(room)) {
      table[opcode[label as keyof typeof opcode]] = handler as Handler
    }
  }
  return table
}
