import test from 'ava'
import { Attendance } from './attendance.ts'

const report = { disks: [], inodes: 1, blocks: 2 }

test('a member is alive until it was silent for the timeout', t => {
  const attendance = new Attendance({ sinceMs: 0, timeoutMs: 4000 })
  attendance.heard('a', 1000)
  t.true(attendance.isAlive('a', 4999))
  t.false(attendance.isAlive('a', 5000))
})

test('falling silent and coming back are each reported once', t => {
  const attendance = new Attendance({ sinceMs: 0, timeoutMs: 4000 })
  t.true(attendance.heard('a', 0))
  t.false(attendance.heard('a', 1000))
  t.deepEqual(attendance.expire(4999), [])
  t.deepEqual(attendance.expire(5000), ['a'])
  t.deepEqual(attendance.expire(6000), [])
  t.true(attendance.heard('a', 7000))
  t.deepEqual(attendance.expire(11_000), ['a'])
})

test('the last report stays, also through heartbeats without one', t => {
  const attendance = new Attendance({ sinceMs: 0, timeoutMs: 4000 })
  attendance.heard('a', 0, report)
  attendance.heard('a', 100)
  t.deepEqual(attendance.presence('a', 350), {
    alive: true,
    silentMs: 250,
    report,
    throughput: null,
  })
})

test('who was never heard is not alive and silent since the beginning', t => {
  const attendance = new Attendance({ sinceMs: 500, timeoutMs: 4000 })
  t.deepEqual(attendance.presence('a', 700), {
    alive: false,
    silentMs: 200,
    report: null,
    throughput: null,
  })
})

test('who is forgotten is not reported silent', t => {
  const attendance = new Attendance({ sinceMs: 0, timeoutMs: 4000 })
  attendance.heard('a', 0)
  attendance.forget('a')
  t.deepEqual(attendance.expire(10_000), [])
  t.is(attendance.presence('a', 10_000).silentMs, 10_000)
})

test('throughput is what two reports differ by, until the member starts again', t => {
  const attendance = new Attendance({ sinceMs: 0, timeoutMs: 4000 })
  const heard = (nowMs: number, readBytes: number, writtenBytes: number) => {
    attendance.heard('a', nowMs, { ...report, readBytes, writtenBytes })
    return attendance.presence('a', nowMs).throughput
  }
  t.is(heard(1000, 500, 0), null)
  t.deepEqual(heard(3000, 2500, 10), { readBytes: 1000, writtenBytes: 5 })
  t.is(heard(3000, 2600, 10), null)
  attendance.heard('a', 4000)
  t.deepEqual(heard(5000, 2600, 10), { readBytes: 0, writtenBytes: 0 })
  t.is(heard(6000, 100, 10), null)
  attendance.heard('a', 7000, report)
  t.is(attendance.presence('a', 7000).throughput, null)
})
