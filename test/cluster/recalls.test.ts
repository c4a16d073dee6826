/** What the kernel of one mount keeps is called back before another mount's change of it is done. */
import {
  access,
  chmod,
  chown,
  constants,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

interface Change {
  /** Makes what is looked at. */
  readonly make: (at: string) => Promise<unknown>
  /** What the other mount does to it. */
  readonly change: (at: string) => Promise<unknown>
  /** What can be seen of it. */
  readonly look: (at: string) => Promise<unknown>
  readonly before: unknown
  readonly after: unknown
}

const codeOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => '',
    error => error.code,
  )
const exists = (path: string) => codeOf(lstat(path))
const file = (at: string) => writeFile(at, 'x')
const nobody = 65_534

const changes: { readonly [title: string]: Change } = {
  'a mode': {
    make: file,
    change: at => chmod(at, 0o600),
    look: async at => (await stat(at)).mode & 0o777,
    before: 0o644,
    after: 0o600,
  },
  'an owner': {
    make: file,
    change: at => chown(at, nobody, nobody),
    look: async at => (await stat(at)).uid,
    before: 0,
    after: nobody,
  },
  'a size': {
    make: file,
    change: at => truncate(at, 100),
    look: async at => (await stat(at)).size,
    before: 1,
    after: 100,
  },
  'a time': {
    make: at => file(at).then(() => utimes(at, 1, 1)),
    change: at => utimes(at, 2, 2),
    look: async at => (await stat(at)).mtimeMs,
    before: 1000,
    after: 2000,
  },
  data: {
    make: file,
    change: at => writeFile(at, 'other'),
    look: async at => `${await readFile(at)}`,
    before: 'x',
    after: 'other',
  },
  'a name that goes': { make: file, change: unlink, look: exists, before: '', after: 'ENOENT' },
  'a name that comes': {
    make: async () => undefined,
    change: file,
    look: exists,
    before: 'ENOENT',
    after: '',
  },
  'a name in a directory whose names are all known': {
    make: at => mkdir(at).then(() => file(`${at}/known`)),
    change: at => file(`${at}/new`),
    look: at => exists(`${at}/new`),
    before: 'ENOENT',
    after: '',
  },
  'a directory that goes': {
    make: mkdir,
    change: rmdir,
    look: exists,
    before: '',
    after: 'ENOENT',
  },
  'a file that is moved': {
    make: file,
    change: at => rename(at, `${at}.moved`),
    look: async at => [await exists(at), await exists(`${at}.moved`)],
    before: ['', 'ENOENT'],
    after: ['ENOENT', ''],
  },
  'a file that another one replaces': {
    make: at => file(at).then(() => writeFile(`${at}.new`, 'new')),
    change: at => rename(`${at}.new`, at),
    look: async at => `${await readFile(at)}`,
    before: 'x',
    after: 'new',
  },
  'a directory above': {
    make: at => mkdir(`${at}/in/side`, { recursive: true }),
    change: at => rename(at, `${at}.moved`),
    look: at => exists(`${at}/in/side`),
    before: '',
    after: 'ENOENT',
  },
  'what was listed': {
    make: at => mkdir(at).then(() => file(`${at}/a`)),
    change: at => writeFile(`${at}/a`, 'longer').then(() => file(`${at}/b`)),
    look: async at => {
      const names = await readdir(at)
      const sizes = names.map(async name => [name, (await lstat(`${at}/${name}`)).size])
      return await Promise.all(sizes)
    },
    before: [['a', 1]],
    after: [
      ['a', 6],
      ['b', 1],
    ],
  },
  'a link count': {
    make: file,
    change: at => link(at, `${at}.link`),
    look: async at => (await stat(at)).nlink,
    before: 1,
    after: 2,
  },
  'what a link points to': {
    make: at => symlink('here', at),
    change: at => unlink(at).then(() => symlink('there!', at)),
    look: async at => (await lstat(at)).size,
    before: 4,
    after: 6,
  },
  'a directory that may be searched': {
    make: at => mkdir(at).then(() => file(`${at}/in`)),
    change: at => rmdir(at).catch(() => chmod(at, 0o700)),
    look: async at => (await stat(at)).mode & 0o777,
    before: 0o755,
    after: 0o700,
  },
  'entries that a directory counts': {
    make: at => mkdir(at),
    change: at => mkdir(`${at}/sub`),
    look: async at => (await stat(at)).nlink,
    before: 2,
    after: 3,
  },
}

const rounds = 6
/** What a mount has just made itself its kernel does not keep. */
const restMs = 1_200
const looksBefore = 3

interface Mounts {
  readonly here: string
  readonly there: string
}

async function setUp(t: ExecutionContext): Promise<Mounts> {
  const cluster = await startCluster(t)
  return { here: cluster.mountpoint, there: await cluster.mountAgain('second') }
}

const placesOf = (title: string) =>
  Array.from({ length: rounds }, (_, round) => `${title.replaceAll(' ', '-')}-${round}`)

testMounted('what another mount has changed is seen at once, whatever the kernel kept', async t => {
  const { here, there } = await setUp(t)
  for (const [title, { make }] of Object.entries(changes)) {
    for (const place of placesOf(title)) await make(`${here}/${place}`)
  }
  await setTimeout(restMs)
  for (const [title, { change, look, before, after }] of Object.entries(changes)) {
    for (const place of placesOf(title)) {
      for (let looks = 0; looks < looksBefore; looks++) {
        t.deepEqual(await look(`${here}/${place}`), before, title)
      }
      await change(`${there}/${place}`)
      t.deepEqual(await look(`${here}/${place}`), after, title)
    }
  }
})

testMounted(
  'a name that was moved here is not kept under the new one when another mount moves it on',
  async t => {
    const { here, there } = await setUp(t)
    const names = Array.from({ length: rounds }, (_, round) => `${here}/from-${round}`)
    for (const name of names) await file(name)
    await setTimeout(restMs)
    for (const [round, from] of names.entries()) {
      for (let looks = 0; looks < looksBefore; looks++) t.is(await exists(from), '')
      await rename(from, `${here}/to-${round}`)
      await rename(`${there}/to-${round}`, `${there}/on-${round}`)
      t.is(await exists(`${here}/to-${round}`), 'ENOENT')
      t.is(await exists(`${here}/on-${round}`), '')
    }
  },
)

testMounted('a program that may execute a file no longer is refused at once', async t => {
  const { here, there } = await setUp(t)
  const names = Array.from({ length: rounds }, (_, round) => `execute-${round}`)
  for (const name of names)
    await file(`${here}/${name}`).then(() => chmod(`${here}/${name}`, 0o755))
  await setTimeout(restMs)
  for (const name of names) {
    const may = () => codeOf(access(`${here}/${name}`, constants.X_OK))
    for (let looks = 0; looks < looksBefore; looks++) t.is(await may(), '')
    await chmod(`${there}/${name}`, 0o644)
    t.is(await may(), 'EACCES')
  }
})

testMounted('an open file shows what another mount has done to it', async t => {
  const { here, there } = await setUp(t)
  const names = Array.from({ length: rounds }, (_, round) => `open-${round}`)
  for (const name of names) await file(`${here}/${name}`)
  await setTimeout(restMs)
  for (const name of names) {
    const handle = await open(`${here}/${name}`, 'r')
    for (let looks = 0; looks < looksBefore; looks++) t.is((await handle.stat()).size, 1)
    await writeFile(`${there}/${name}`, 'longer')
    t.is((await handle.stat()).size, 6)
    t.is(`${await handle.readFile()}`, 'longer')
    await unlink(`${there}/${name}`)
    t.is((await handle.stat()).nlink, 0)
    await handle.close()
  }
})

testMounted(
  'what another mount wrote is read through a file that is open, though this one changes its mode or times between',
  async t => {
    const cluster = await startCluster(t)
    const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
    const touches: { readonly [title: string]: (at: string) => Promise<void> } = {
      chmod: at => chmod(at, 0o600),
      utimes: at => utimes(at, 1, 1),
    }
    for (const [title, touch] of Object.entries(touches)) {
      await writeFile(`${here}/${title}`, 'before')
      const file = await open(`${here}/${title}`, 'r')
      t.teardown(() => file.close())
      const text = async () => {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0)
        return buffer.toString('latin1', 0, bytesRead)
      }
      t.is(await text(), 'before')
      await file.stat()
      const theirs = await open(`${there}/${title}`, 'r+')
      t.teardown(() => theirs.close())
      await theirs.write('theirs', 0)
      await touch(`${here}/${title}`)
      t.is(await text(), 'theirs', `${title} after others wrote`)
      await file.stat()
      await touch(`${here}/${title}`)
      await theirs.write('longer', 6)
      t.is(await text(), 'theirslonger', `${title} before others wrote`)
    }
  },
)
