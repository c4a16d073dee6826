/** The suite on a real mount of a real cluster. */
import fs from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import { hasFuse } from '../cluster/fuse.ts'
import { makeProcessCluster, type ProcessCluster, takeApart } from '../cluster/processes.ts'
import { type Place, register } from './suite.ts'

const umask = process.umask(0)
let started: Promise<ProcessCluster> | null = null

async function start(t: ExecutionContext): Promise<ProcessCluster> {
  const cluster = await makeProcessCluster({ servers: 3 })
  await fs.chmod(cluster.directory, 0o755)
  await cluster.up(t)
  return cluster
}

async function place(t: ExecutionContext): Promise<Place> {
  started ??= start(t)
  const { mountpoint } = await started
  return { fs, root: mountpoint }
}

test.after.always(async () => {
  process.umask(umask)
  if (started !== null) await takeApart(await started)
})

if (hasFuse) register(test, { kernel: true, place })
else test.skip('the suite on a mount (this machine has no /dev/fuse)', t => t.pass())
