/**
 * The POSIX suite: what ordinary programs rely on. `portable` needs no more than the calls of
 * `node:fs/promises`; `kernel` needs a directory that other programs can see.
 */
import type { ExecutionContext, TestFn } from 'ava'
import { accessTimes } from './access-times.ts'
import { acl } from './acl.ts'
import { attributes, owners } from './attributes.ts'
import { bounds } from './bounds.ts'
import type { Check, Checks, Fs } from './check.ts'
import { create } from './create.ts'
import { data } from './data.ts'
import { directories } from './directories.ts'
import { errors } from './errors.ts'
import { identities } from './identities.ts'
import { large } from './large.ts'
import { links } from './links.ts'
import { locks } from './locks.ts'
import { namesAndPaths } from './names.ts'
import { openUnlinked } from './open-unlinked.ts'
import { permissionChecks } from './permissions.ts'
import { positions } from './positions.ts'
import { programs } from './programs.ts'
import { removed } from './removed.ts'
import { rename } from './rename.ts'
import { space, sparse } from './sparse.ts'
import { temporary } from './temporary.ts'
import { times } from './times.ts'
import { truncate } from './truncate.ts'
import { xattr } from './xattr.ts'

const families: Readonly<Record<string, Checks>> = {
  create,
  names: namesAndPaths,
  data,
  truncate,
  directories,
  links,
  rename,
  'open-unlinked': openUnlinked,
  attributes,
  owners,
  times,
  large,
  space,
}

const kernelFamilies: Readonly<Record<string, Checks>> = {
  positions,
  programs,
  permissions: permissionChecks,
  removed,
  temporary,
  errors,
  bounds,
  identities,
  'access-times': accessTimes,
  xattr,
  acl,
  locks,
  sparse,
}

export interface Place {
  readonly fs: Fs
  /** Existing directory in which each check gets one of its own. */
  readonly root: string
}

export interface SuiteOptions {
  /** Also what needs programs of their own, seen through the kernel. */
  readonly kernel: boolean
  /** Checks to be skipped, by full title, and why. */
  readonly lacking?: Readonly<Record<string, string>>
  /** Called in each test. */
  readonly place: (t: ExecutionContext) => Promise<Place>
}

function claim(test: TestFn, title: string, check: Check, options: SuiteOptions): void {
  const reason = options.lacking?.[title]
  if (reason !== undefined) {
    test.skip(`${title} (${reason})`, t => t.pass())
    return
  }
  test.serial(title, async t => {
    const { fs, root } = await options.place(t)
    const directory = `${root}/${title.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 60)}`
    await fs.mkdir(directory)
    await check(t, fs, directory)
    await fs.rm(directory, { recursive: true, force: true })
  })
}

/** Registers one AVA test for each check. */
export function register(test: TestFn, options: SuiteOptions): void {
  const chosen = options.kernel ? { ...families, ...kernelFamilies } : families
  for (const [family, checks] of Object.entries(chosen)) {
    for (const [title, check] of Object.entries(checks)) {
      claim(test, `${family}: ${title}`, check, options)
    }
  }
}
