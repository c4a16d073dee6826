/** The suite itself is right: a directory of this machine passes it (another one: POSIX_DIRECTORY=...). */
import fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test from 'ava'
import type { Fs } from './check.ts'
import { register } from './suite.ts'

const root = await fs.mkdtemp(`${process.env.POSIX_DIRECTORY ?? tmpdir()}/rookery-posix-host-`)
// mkdtemp makes it private, and some checks are other users.
await fs.chmod(root, 0o755)
const umask = process.umask(0)

test.after.always(async () => {
  process.umask(umask)
  await fs.rm(root, { recursive: true, force: true })
})

register(test, { kernel: true, place: async () => ({ fs: fs satisfies Fs, root }) })
