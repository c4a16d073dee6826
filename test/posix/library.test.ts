/** The suite over the Node library, on a cluster in this process. */
import test from 'ava'
import { InProcessCluster } from '../cluster/in-process.ts'
import { overLibrary } from './library.ts'
import { register } from './suite.ts'

const cluster = await InProcessCluster.start(3)
const connection = await cluster.connect()
const fs = overLibrary(connection)

test.serial.before(async () => {
  await fs.mkdir('/root')
})

test.after.always(() => cluster[Symbol.asyncDispose]())

const textOnly = 'the library lists names as text, so that bytes which are no UTF-8 are lost'

register(test, {
  kernel: false,
  lacking: {
    'names: names that are not UTF-8 are kept byte by byte': textOnly,
    'names: every byte but slash and NUL may be in a name': textOnly,
  },
  place: async () => ({ fs, root: '/root' }),
})
