import test from 'ava'
import { ClusterError, PosixError } from '../network/errors.ts'
import { describeError, exitCodeOf, Failure } from './failure.ts'

test('an error for a person is shown as it is, on one line', t => {
  t.is(describeError(new Failure('the cat\n  sat on it')), 'the cat sat on it')
})

test('what others have said does nothing to the terminal', t => {
  const told = new ClusterError('NOT_ADMITTED', 'go\r\u001b[2Jaway\u202e')
  t.regex(describeError(told), /^go\?\?\[2Jaway\?: ask an administrator/)
})

test('an error of the cluster, the system or POSIX comes with what to do', t => {
  t.is(
    describeError(new ClusterError('UNREACHABLE', 'tcp://127.0.0.1:7400 refused')),
    'tcp://127.0.0.1:7400 refused: is the cluster up?',
  )
  t.is(
    describeError(new ClusterError('BAD_ADDRESS', 'tcp://192.0.2.1:7400 cannot be listened on')),
    'tcp://192.0.2.1:7400 cannot be listened on: give an address of this machine, where this user may listen',
  )
  t.is(describeError(new ClusterError('IN_USE', 'port 7 is taken')), 'port 7 is taken')
  t.is(describeError(new PosixError('EBUSY')), 'EBUSY')
  t.regex(describeError(new PosixError('ENOSPC', '/x')), /disk is full/)
  const system = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
  t.regex(describeError(system), /check the permissions/)
})

test('anything else is shown by its message', t => {
  t.is(describeError(new RangeError('too far')), 'too far')
  t.is(describeError(new RangeError('')), 'RangeError')
  t.is(describeError('text'), 'text')
})

test('only wrong usage exits with 2', t => {
  t.is(exitCodeOf(new Failure('x', { usage: true })), 2)
  t.is(exitCodeOf(new Failure('x')), 1)
  t.is(exitCodeOf(new Error('x')), 1)
})
