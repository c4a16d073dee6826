/** The suite over the Node library, where every directory of a few names is split. */
import test from 'ava'
import { InProcessCluster } from '../cluster/in-process.ts'
import { overLibrary } from './library.ts'
import { register } from './suite.ts'

const cluster = await InProcessCluster.start(3, 2)
const connection = await cluster.connect()
const fs = overLibrary(connection)

test.serial.before(async () => {
  await fs.mkdir('/root')
})

test.after.always(() => cluster[Symbol.asyncDispose]())

register(test, {
  kernel: false,
  place: async () => ({ fs, root: '/root' }),
})
