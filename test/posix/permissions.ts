/** Permissions, as a user who is not root meets them. Needs root, to become somebody else. */
import type { Checks } from './check.ts'
import { names, permissions, stat } from './expect.ts'
import { type As, run } from './program.ts'

const alice: As = { uid: 61_001, gid: 61_001 }
const bob: As = { uid: 61_002, gid: 61_002 }

/** What a shell line of one user came to: `ok`, or the message of the system. */
async function attempt(directory: string, as: As, line: string): Promise<string> {
  const { code, stderr } = await run('/', '/bin/sh', ['-c', `cd '${directory}' && ${line}`], as)
  if (code === 0) return 'ok'
  const known = /Permission denied|Operation not permitted|No such file/.exec(stderr)
  return known?.[0] ?? stderr
}

const denied = 'Permission denied'
const notPermitted = 'Operation not permitted'

const checks: Checks = {
  'mode bits decide who reads and writes a file': async (t, fs, directory) => {
    await fs.chmod(directory, 0o755)
    await fs.writeFile(`${directory}/secret`, 'secret', { mode: 0o600 })
    await fs.writeFile(`${directory}/public`, 'public', { mode: 0o644 })
    t.is(await attempt(directory, alice, 'cat secret'), denied)
    t.is(await attempt(directory, alice, 'cat public'), 'ok')
    t.is(await attempt(directory, alice, 'echo x >> public'), denied)
    t.is(await attempt(directory, alice, 'touch new'), denied)
    t.is(await attempt(directory, alice, 'chmod 666 public'), notPermitted)
    t.is(await attempt(directory, alice, 'rm -f public'), denied)
    t.deepEqual(await names(fs, directory), ['public', 'secret'])
  },

  'what a user makes is theirs': async (t, fs, directory) => {
    await fs.chmod(directory, 0o777)
    t.is(await attempt(directory, alice, 'mkdir own && echo x > own/file && ln -s x own/l'), 'ok')
    for (const path of ['own', 'own/file']) {
      const stats = await stat(fs, `${directory}/${path}`)
      t.deepEqual([stats.uid, stats.gid], [61_001n, 61_001n])
    }
    t.is(await attempt(directory, alice, 'chmod 700 own && cat own/file'), 'ok')
    t.is(await attempt(directory, bob, 'cat own/file'), denied)
    t.is(await attempt(directory, bob, 'ls own'), denied)
  },

  'a changed mode counts at once': async (t, fs, directory) => {
    await fs.chmod(directory, 0o755)
    await fs.writeFile(`${directory}/file`, 'content')
    for (let round = 0; round < 5; round++) {
      await fs.chmod(`${directory}/file`, 0o600)
      t.is(await attempt(directory, alice, 'cat file'), denied)
      await fs.chmod(`${directory}/file`, 0o604)
      t.is(await attempt(directory, alice, 'cat file'), 'ok')
    }
  },

  'in a sticky directory only the owner removes': async (t, fs, directory) => {
    await fs.chmod(directory, 0o1777)
    t.is(await attempt(directory, alice, 'echo x > file && chmod 666 file'), 'ok')
    t.is(await attempt(directory, bob, 'rm -f file'), notPermitted)
    t.is(await attempt(directory, bob, 'mv file other'), notPermitted)
    t.is(await attempt(directory, bob, 'echo y >> file'), 'ok')
    t.is(await attempt(directory, alice, 'rm file'), 'ok')
  },

  'a write by somebody else takes setuid and setgid away': async (t, fs, directory) => {
    await fs.chmod(directory, 0o755)
    await fs.writeFile(`${directory}/program`, 'x')
    await fs.chmod(`${directory}/program`, 0o6777)
    t.is(await attempt(directory, alice, 'echo y >> program'), 'ok')
    t.is(permissions(await stat(fs, `${directory}/program`)) & 0o6000, 0)
    await fs.chmod(`${directory}/program`, 0o6777)
    t.is(await attempt(directory, alice, ': > program'), 'ok')
    t.is(permissions(await stat(fs, `${directory}/program`)) & 0o6000, 0)
  },

  'chown takes setuid and setgid away from all but directories, also when it changes nothing':
    async (t, fs, directory) => {
      await fs.chmod(directory, 0o755)
      await run(directory, '/bin/sh', [
        '-c',
        ': > file; mkfifo pipe; mknod device c 1 3; mkdir dir',
      ])
      for (const [name, kept] of [
        ['file', 0],
        ['pipe', 0],
        ['device', 0],
        ['dir', 0o6000],
      ] as const) {
        const path = `${directory}/${name}`
        for (const [uid, gid] of [
          [1_234, -1],
          [-1, 5_678],
          [-1, -1],
        ] as const) {
          await fs.chmod(path, 0o6755)
          await fs.chown(path, uid, gid)
          t.is(permissions(await stat(fs, path)), 0o755 | kept, `${name} ${uid} ${gid}`)
        }
      }
    },

  'the owner of a file opened read-only by mode writes what it just created': async (
    t,
    fs,
    directory,
  ) => {
    await fs.chmod(directory, 0o777)
    t.is(await attempt(directory, alice, 'umask 0377 && echo content > readonly'), 'ok')
    t.is(permissions(await stat(fs, `${directory}/readonly`)), 0o400)
    t.is((await fs.readFile(`${directory}/readonly`)).toString(), 'content\n')
    t.is(await attempt(directory, alice, 'echo more >> readonly'), denied)
  },
}

export const permissionChecks: Checks = process.getuid?.() === 0 ? checks : {}
