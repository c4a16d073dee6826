/** A user without privileges has a cluster of their own, through fusermount3. */
import { accessSync, chmodSync, chownSync, constants, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import test from 'ava'
import { aclPreamble } from '../posix/acl.ts'
import { isInstalled, python, run } from '../posix/program.ts'
import { makeCluster } from './processes.ts'

const nobody = { uid: 65_534, gid: 65_534 }

function obstacle(): string | null {
  if (process.getuid?.() !== 0) return 'it takes root to become somebody else'
  if (!isInstalled('fusermount3')) return 'there is no fusermount3'
  try {
    accessSync('/dev/fuse', constants.R_OK)
  } catch {
    return 'there is no /dev/fuse'
  }
  if ((statSync('/dev/fuse').mode & 0o006) !== 0o006) return '/dev/fuse is for root only here'
  return null
}

/** The kernel checks the permissions of the one who mounted, too. */
const ownAcls = `
os.setxattr('dir', DEFAULT, acl(f'u::rwx,u:{ALICE}:rw-,g::r-x,m::rwx,o::---'))
os.umask(0o077)
os.close(os.open('dir/file', os.O_CREAT | os.O_WRONLY, 0o644))
equal((mode('dir/file'), get('dir/file')), (0o640, acl(f'u::rw-,u:{ALICE}:rw-,g::r-x,m::r--,o::---')))
os.setxattr('dir', ACCESS, acl(f'u::r-x,u:{ALICE}:rwx,g::rwx,m::rwx,o::rwx'))
equal(code(make('dir/other')), 'EACCES')
os.chmod('dir', 0o755)
equal(code(make('dir/other')), 'ok')
`

const inTheWay = obstacle()
const claim = 'a user without privileges brings a cluster up, uses it and takes it down'

if (inTheWay !== null) {
  test.skip(`${claim} (${inTheWay})`, t => t.pass())
} else {
  test(claim, async t => {
    const cluster = await makeCluster(t, { as: nobody })
    chownSync(cluster.directory, nobody.uid, nobody.gid)
    chmodSync(cluster.directory, 0o755)
    await cluster.up(t)
    const line = `echo mine > '${cluster.mountpoint}/file' && cat '${cluster.mountpoint}/file'`
    const { stdout } = await run('/', '/bin/sh', ['-c', line], nobody)
    t.is(stdout, 'mine\n')
    // Root may not enter, not even to become somebody else there.
    const enter = `import os; os.mkdir('${cluster.mountpoint}/own'); os.chdir('${cluster.mountpoint}/own')`
    await python(t, '/', `${enter}${aclPreamble}${ownAcls}`, nobody)
    await t.throwsAsync(readFile(`${cluster.mountpoint}/file`), { code: 'EACCES' })
    await cluster.down(t)
  })
}
