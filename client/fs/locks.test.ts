import test from 'ava'
import { lastLockByte, lockType } from '../../network/locks/ranges.ts'
import { BehindState } from '../cache/behind-state.ts'
import { ChangesBehind } from '../cache/changes-behind.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { ReadAheadBudget } from '../cache/read-ahead.ts'
import type { LockChange } from '../cluster/contract.ts'
import { LockRegister } from '../cluster/lock-register.ts'
import type { Context } from './context.ts'
import { locksOf } from './locks.ts'
import { OpenHandle } from './open-handle.ts'

test('of a process that locked, unlocked and closed an open file nothing is kept with that', async t => {
  const register = new LockRegister()
  const set = async (owner: Parameters<LockRegister['apply']>[0], change: LockChange) => {
    register.apply(owner, change)
  }
  const release = async (owner: Parameters<LockRegister['apply']>[0]) => register.clear(owner)
  const cluster = { locks: { register, set, release } }
  const changes = new ChangesBehind()
  const locks = locksOf({ cluster, changes } as unknown as Context)
  const known = { ino: 16, losses: 0, gone: false, behind: new BehindState() }
  const inode = known as unknown as OpenInode
  const first = { keepPages: true, accessDue: false }
  const file = new OpenHandle(inode, first, {} as ReadAheadBudget)
  const whole = { flock: false, start: 0n, end: lastLockByte, pid: 1 }
  for (const unlocks of [true, false]) {
    for (const owner of [1n, 2n, 3n]) {
      await locks.set(file, { ...whole, owner, type: lockType.write }, null)
      if (unlocks) await locks.set(file, { ...whole, owner, type: lockType.unlock }, null)
      await locks.closed(file, owner)
    }
    t.is(file.lockers?.size, 0)
    t.is(register.size, 0)
  }
})
