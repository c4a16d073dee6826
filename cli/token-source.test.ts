import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { maxTokenCharacters } from '../network/limits.ts'
import { Failure } from './failure.ts'
import { tokenFrom } from './token-source.ts'

const directory = mkdtempSync(join(tmpdir(), 'rookery-token-'))
test.after.always(() => rmSync(directory, { recursive: true }))

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}

test('a token comes from the command line, a file or standard input', async t => {
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, 'rk1abc\n')
  t.is(await tokenFrom({}), undefined)
  t.is(await tokenFrom({ token: 'rk1abc' }), 'rk1abc')
  t.is(await tokenFrom({ tokenFile }), 'rk1abc')
  t.is(await tokenFrom({ tokenFile: '-' }, pieces('rk1', 'abc\n', '\n')), 'rk1abc')
})

test('two tokens, none, and a file that is not there are refused in one line', async t => {
  const empty = join(directory, 'empty')
  writeFileSync(empty, '\n')
  const missing = join(directory, 'missing')
  const refused = async (source: Parameters<typeof tokenFrom>[0], text: RegExp) => {
    const error = await t.throwsAsync(tokenFrom(source, pieces()), { instanceOf: Failure })
    t.regex(error!.message, text)
  }
  await refused({ token: 'rk1abc', tokenFile: '-' }, /two tokens/)
  await refused({ tokenFile: empty }, /no token in .*empty/)
  await refused({ tokenFile: '-' }, /no token in standard input/)
  await refused({ tokenFile: missing }, /cannot read the token in .*missing.*ENOENT/)
})

test('of what is no token no more is read than one may have', async t => {
  async function* endless(): AsyncGenerator<string> {
    for (;;) yield 'x'.repeat(maxTokenCharacters)
  }
  const read = await tokenFrom({ tokenFile: '-' }, endless())
  t.is(read?.length, 3 * maxTokenCharacters)
})
