/** Access control lists on two mounts of one volume, each a process of its own. */
import { chmod } from 'node:fs/promises'
import { aclPreamble } from '../posix/acl.ts'
import { python } from '../posix/program.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

const isRoot = process.getuid?.() === 0

testMounted('an ACL that one mount sets is obeyed and shown by the other at once', async t => {
  if (!isRoot) {
    t.pass('it takes root to become others')
    return
  }
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
  await chmod(cluster.directory, 0o755)
  const script = `${aclPreamble}
there = '${there}/'
fd = os.open(there + 'file', os.O_RDWR)
os.makedirs('deep/below')
os.chmod('deep', 0o700)
make('deep/below/file')()
os.chmod('deep/below', 0o755); os.chmod('deep/below/file', 0o644)
for _ in range(10):
    for letters, outcome in (('rwx', 'ok'), ('---', 'EACCES')):
        value = acl(f'u::rwx,u:{ALICE}:{letters},g::---,m::rwx,o::---')
        os.setxattr('file', ACCESS, value)
        equal(become(ALICE, write(there + 'file')), outcome)
        equal(get(there + 'file'), value)
        os.fstat(fd)
        equal(get(fd), value)
        os.setxattr('deep', ACCESS, value)
        equal(become(ALICE, read(there + 'deep/below/file')), outcome)
    os.removexattr('file', ACCESS)
    os.fstat(fd)
    equal(get(fd), 'ENODATA')
    os.chmod(there + 'file', 0o640)
    equal((mode('file'), get('file')), (0o640, 'ENODATA'))

for who, default in ((ALICE, f'u::rwx,u:{ALICE}:rwx,g::---,m::rwx,o::---'), (BOB, f'u::rwx,u:{BOB}:rwx,g::---,m::rwx,o::---')):
    os.setxattr('dir', DEFAULT, acl(default))
    for index in range(8):
        name = f'{there}dir/{who}-{index}'
        os.mkdir(name, 0o777)
        equal((get(name), get(name, DEFAULT)), (acl(default), acl(default)))
        make(name + '/file')()
        equal(become(who, read(f'dir/{who}-{index}/file')), 'ok')
        equal(become(TEAM, read(f'dir/{who}-{index}/file')), 'EACCES')
os.removexattr('dir', DEFAULT)
make(there + 'dir/plain')()
equal(os.listxattr('dir/plain'), [])

CAPABILITY = 'security.capability'
value = bytes.fromhex('0100000200200000000000000000000000000000')
reader = os.open('file', os.O_RDONLY)
for _ in range(5):
    os.setxattr(there + 'file', CAPABILITY, value)
    equal((get('file', CAPABILITY), get(reader, CAPABILITY)), (value, value))
    os.write(fd, b'x')
    equal((get('file', CAPABILITY), get(reader, CAPABILITY)), ('ENODATA', 'ENODATA'))
`
  await python(t, here, script)
})

testMounted('on a private mount ACLs are kept, handed down and shown all the same', async t => {
  if (!isRoot) {
    t.pass('a mount of an ordinary user is checked by the kernel like any other')
    return
  }
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second', ['--private'])]
  const script = `${aclPreamble}
there = '${there}/'
value = acl(f'u::rwx,u:{ALICE}:r-x,g::r-x,m::r-x,o::---')
os.umask(0o077)
os.setxattr(there + 'dir', DEFAULT, value)
os.mkdir(there + 'dir/sub', 0o770)
make(there + 'dir/sub/file')()
equal((get('dir/sub'), get('dir/sub', DEFAULT)), (value, value))
equal(get('dir/sub/file'), get(there + 'dir/sub/file'))
equal(mode(there + 'dir/sub'), 0o750)
make(there + 'plain')()
equal(mode('plain'), 0o700)
os.setxattr(there + 'file', ACCESS, value)
equal((mode('file'), get('file')), (0o750, value))
os.chmod(there + 'file', 0o700)
equal(get(there + 'file'), acl(f'u::rwx,u:{ALICE}:r-x,g::r-x,m::---,o::---'))
os.removexattr('file', ACCESS)
equal(get(there + 'file'), 'ENODATA')
equal(code(os.setxattr, there + 'file', ACCESS, acl('u::rwx,o::---')), 'EINVAL')
`
  await python(t, here, script)
})

testMounted('programs gain nothing on a mount, unless --suid says that they do', async t => {
  if (!isRoot) {
    t.pass('it takes root to ask for it')
    return
  }
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second', ['--suid'])]
  await chmod(cluster.directory, 0o755)
  const script = `${aclPreamble}
import shutil, subprocess
there = '${there}/'
shutil.copy('/usr/bin/id', 'id'); os.chown('id', BOB, BOB); os.chmod('id', 0o4755)
shutil.copy('/bin/cat', 'reader'); os.chmod('reader', 0o755)
open('secret', 'w').write('secret'); os.chmod('secret', 0o600)
DAC_READ_SEARCH = bytes.fromhex('0100000204000000' + '00' * 12)
os.setxattr('reader', 'security.capability', DAC_READ_SEARCH)
def run(*words):
    def alone(): os.setgroups([]); os.setgid(ALICE); os.setuid(ALICE)
    return subprocess.run(words, preexec_fn=alone, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd='/').stdout.decode().strip()
here = os.getcwd() + '/'
equal(run(here + 'id', '-u'), str(ALICE))
equal(run(there + 'id', '-u'), str(BOB))
equal(run(here + 'reader', there + 'secret'), '')
equal(run(there + 'reader', there + 'secret'), 'secret')
with open('reader', 'ab') as f: f.write(b'more')
equal(run(there + 'reader', there + 'secret'), '')
`
  await python(t, here, script)
})
