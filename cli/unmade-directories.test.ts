/** Directories that cannot be made: Node's own recursive mkdir would try for ever. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Authority } from '../network/admission/authority.ts'
import { issueCertificate } from '../network/admission/certificate.ts'
import { keepAdmission, keyIn } from '../network/admission/kept.ts'
import { encodeToken, tokenSecretBytes } from '../network/admission/token.ts'
import { diskFormat } from '../network/limits.ts'
import { rookery } from './command.test-support.ts'

const directory = mkdtempSync(join(tmpdir(), 'rookery-unmade-'))
test.after.always(() => rmSync(directory, { recursive: true }))

test('a directory that cannot be made is one line, for whatever it is', async t => {
  const place = '/proc/rookery'
  const key = await keyIn(join(directory, 'meta'))
  const authority = Authority.make()
  const what = { cluster: 'c', peerId: key.peerId, role: 'server', serial: 1, issuedS: 0 } as const
  await keepAdmission(join(directory, 'meta'), {
    cluster: 'c',
    authority: authority.publicKey,
    certificate: issueCertificate(authority, what),
    secret: new Uint8Array(32),
    managers: [`unix:${directory}/none.sock`],
  })
  writeFileSync(
    join(directory, 'meta', 'rookery.json'),
    JSON.stringify({ format: diskFormat, cluster: '', role: 'server', id: '', kind: 'meta' }),
  )
  const token = encodeToken({
    cluster: '0'.repeat(32),
    role: 'server',
    authority: authority.publicKey,
    secret: new Uint8Array(tokenSecretBytes),
    managers: [],
  })
  const data = ['--data-dir', place]
  const listen = ['--listen', '127.0.0.1:0']
  for (const args of [
    ['up', join(directory, 'm4'), '--home', place],
    ['up', place, '--home', join(directory, 'h4')],
    ['manager', '--dir', place, ...listen],
    ['server', '--meta-dir', join(directory, 'meta'), ...data, ...listen],
    ['join', token, '--meta-dir', place, ...data],
    ['join', token, '--meta-dir', join(directory, 'meta5'), ...data],
    ['bench', 'io500', directory, '--results', place],
  ]) {
    const outcome = await rookery(...args)
    t.regex(
      outcome.complaint,
      /^rookery: [^\n]*\/proc\/rookery[^\n]*no directories can be made there[^\n]*\n$/,
    )
    t.is(outcome.code, 1)
  }
})
