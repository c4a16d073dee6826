import test from 'ava'
import { realEnv } from '../env/real.ts'
import { makeIdentity } from '../identity/identity.ts'
import { fitsPeer, newClientId, peersByMember, serverIdOf } from './member-id.ts'

const { random } = realEnv()
const [one, other] = await Promise.all([makeIdentity(), makeIdentity()])

test('a server has one id, which is nobody else’s', t => {
  const id = serverIdOf(one.peerId)
  t.regex(id, /^[0-9a-f]{32}$/)
  t.true(fitsPeer(id, 'server', one.peerId))
  t.false(fitsPeer(id, 'server', other.peerId))
  t.false(fitsPeer(id.toUpperCase(), 'server', one.peerId))
})

test('a client may have several ids, and nobody else may use them', t => {
  const ids = [newClientId(one.peerId, random), newClientId(one.peerId, random)]
  t.not(ids[0], ids[1])
  for (const id of ids) {
    t.true(fitsPeer(id, 'client', one.peerId))
    t.false(fitsPeer(id, 'client', other.peerId))
    t.false(fitsPeer(id, 'server', one.peerId))
  }
  t.false(fitsPeer(ids[0]!.slice(0, 16), 'client', one.peerId))
  t.false(fitsPeer('', 'client', one.peerId))
})

test('the key of a member is found by its id', t => {
  const peerOf = peersByMember([one.peerId, other.peerId])
  t.is(peerOf(serverIdOf(one.peerId)), one.peerId)
  t.is(peerOf(newClientId(other.peerId, random)), other.peerId)
  t.is(peerOf(random.id()), null)
})
