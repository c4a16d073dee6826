import test from 'ava'
import { describeKeys } from './keys.ts'

test('keys are listed with a word on those that nobody has let in', t => {
  const unlisted = /^and of each manager its own, .* its directory: an administrator$/
  const none = describeKeys([]).split('\n')
  t.is(none[0], 'no keys')
  t.regex(none[1]!, unlisted)
  const key = { peerId: 'peer', role: 'client' as const, name: 'laptop', issuedS: 0, token: '' }
  const one = describeKeys([key]).split('\n')
  t.is(one.length, 3)
  t.regex(one[1]!, /^laptop +client +1970.* peer$/)
  t.regex(one[2]!, unlisted)
})
