/** What the options of a mount change, seen from a second mount of the same volume. */
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { python } from '../posix/program.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

const isRoot = process.getuid?.() === 0

testMounted('device nodes are opened on a mount with --dev alone', async t => {
  if (!isRoot) {
    t.pass('it takes root to ask for it')
    return
  }
  const cluster = await startCluster(t)
  const there = await cluster.mountAgain('second', ['--dev'])
  await chmod(cluster.directory, 0o755)
  const script = `
import errno, os, stat
os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3))
try: os.open('null', os.O_RDWR)
except OSError as error: assert error.errno == errno.EACCES, error
else: raise AssertionError('opened')
assert os.write(os.open('${there}/null', os.O_RDWR), b'gone') == 4
`
  await python(t, cluster.mountpoint, script)
})

testMounted('a mount with --noatime leaves access times alone, another one moves them', async t => {
  const cluster = await startCluster(t)
  const here = cluster.mountpoint
  const there = await cluster.mountAgain('second', ['--noatime'])
  t.regex(await readFile('/proc/mounts', 'utf8'), new RegExp(`${there} fuse.rookery [^ ]*noatime`))
  await writeFile(`${here}/file`, 'content')
  await mkdir(`${here}/dir`)
  await symlink('target', `${here}/link`)
  const readAll = async (root: string): Promise<void> => {
    await readFile(`${root}/file`)
    await readdir(`${root}/dir`)
    await readlink(`${root}/link`)
  }
  const times = async (): Promise<bigint[]> => {
    const all = ['file', 'dir'].map(name => stat(`${here}/${name}`, { bigint: true }))
    return (await Promise.all(all)).map(({ atimeNs }) => atimeNs)
  }
  const before = await times()
  await readAll(there)
  t.deepEqual(await times(), before)
  await readAll(here)
  t.true((await times()).every((time, index) => time > before[index]!))
})
