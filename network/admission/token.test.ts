import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { makeIdentity } from '../identity/identity.ts'
import { admissionRoles } from './contract.ts'
import { addressesOf, decodeToken, encodeToken, type Token } from './token.ts'

const [first, second] = [await makeIdentity(), await makeIdentity()]

function tokenOf(more: Partial<Token> = {}): Token {
  return {
    cluster: 'a1'.repeat(16),
    authority: new Uint8Array(randomBytes(32)),
    role: 'server',
    secret: new Uint8Array(randomBytes(16)),
    managers: [
      { peerId: first.peerId, endpoints: ['10.0.0.1:7400', '[fd00::1]:7400'] },
      { peerId: second.peerId, endpoints: [] },
    ],
    ...more,
  }
}

test('a token says again what was put into it', t => {
  for (const role of admissionRoles) {
    const token = tokenOf({ role })
    t.deepEqual(decodeToken(`  ${encodeToken(token)}\n`), token)
  }
  t.deepEqual(addressesOf(tokenOf()), [
    `libp2p://10.0.0.1:7400/${first.peerId}`,
    `libp2p://[fd00::1]:7400/${first.peerId}`,
  ])
})

test('a token is one word that survives a double click', t => {
  t.regex(encodeToken(tokenOf()), /^rk1[1-9A-HJ-NP-Za-km-z]+$/)
})

test('a token with one character changed, left out, doubled or swapped is refused without repeating it', t => {
  const text = encodeToken(tokenOf())
  const refused = (wrong: string) => {
    if (wrong === text) return
    const error = t.throws(() => decodeToken(wrong), { code: 'MALFORMED' })
    t.false(error?.message.includes(wrong.slice(3)))
  }
  for (let index = 3; index < text.length; index++) {
    const [before, character, after] = [text.slice(0, index), text[index]!, text.slice(index + 1)]
    refused(before + (character === 'a' ? 'b' : 'a') + after)
    refused(before + after)
    refused(before + character + character + after)
    refused(before + (after[0] ?? '') + character + after.slice(1))
  }
})

test('what is no token at all is refused, and says how one begins', t => {
  for (const wrong of ['', 'rk', 'hello', 'RK1abc']) {
    t.throws(() => decodeToken(wrong), { message: /one begins with rk1/ }, wrong)
  }
  t.throws(() => decodeToken('rk1'), { message: /mistyped or cut short/ })
  t.throws(() => decodeToken(`rk1${'1'.repeat(10_000)}`), { message: /too long/ })
})

test('no text makes the decoder do anything but return or refuse', t => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), text => {
      try {
        decodeToken(`rk1${text}`)
      } catch (error) {
        return error instanceof Error && 'code' in error && error.code === 'MALFORMED'
      }
      return true
    }),
  )
  t.pass()
})
