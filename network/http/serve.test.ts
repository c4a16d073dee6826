import { connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { realEnv } from '../env/real.ts'
import type { ClusterError } from '../errors.ts'
import { maxHttpHeaderBytes } from '../limits.ts'
import { silentLog } from '../log.ts'
import { type HttpInit, type HttpServing, serveHttp } from './serve.ts'

const env = realEnv()
const anywhere = { host: '127.0.0.1', port: 0 }

async function serving(t: ExecutionContext, more: Partial<HttpInit> = {}): Promise<HttpServing> {
  const http = await serveHttp({ env, address: anywhere, log: silentLog, ...more })
  t.teardown(() => http.close())
  return http
}

const hello = () => ({ type: 'text/plain; charset=utf-8', body: 'hellö' })

/** Everything that comes back until the other side ends the connection. */
function raw(url: string, sent: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(port), hostname, () => socket.write(sent))
    socket.setEncoding('utf8').on('data', (data: string) => {
      text += data
    })
    socket
      .once('close', () => resolve(text))
      .on('error', error => {
        // Cut off while we were still sending.
        if ('code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE'))
          resolve(text)
        else reject(error)
      })
  })
}

test('a page is served to GET, and its headers alone to HEAD', async t => {
  const http = await serving(t)
  http.show(new Map([['/a', hello]]))
  const got = await fetch(`${http.url}a?b=c`)
  t.is(got.status, 200)
  t.is(await got.text(), 'hellö')
  t.is(got.headers.get('content-type'), 'text/plain; charset=utf-8')
  t.is(got.headers.get('x-content-type-options'), 'nosniff')
  t.regex(got.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  const head = await fetch(`${http.url}a`, { method: 'HEAD' })
  t.is(head.headers.get('content-length'), '6')
  t.is(await head.text(), '')
})

test('what is not there is 404, and says what is', async t => {
  const http = await serving(t)
  http.show(new Map([['/a', hello]]))
  for (const path of ['', 'b', 'a/', '../a/b', '%2fa', '__proto__']) {
    const got = await fetch(`${http.url}${path}`)
    t.is(got.status, 404, path)
    t.is(await got.text(), 'there is /a\n')
  }
})

test('every method but GET and HEAD is 405, whatever the path', async t => {
  const http = await serving(t)
  http.show(new Map([['/a', hello]]))
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const got = await fetch(`${http.url}a`, { method })
    t.is(got.status, 405, method)
    t.is(got.headers.get('allow'), 'GET, HEAD')
  }
})

test('until there are pages, whoever asks is told to come back', async t => {
  const got = await fetch((await serving(t)).url)
  t.is(got.status, 503)
  t.is(got.headers.get('retry-after'), '1')
})

test('garbage is answered with 400 and does not stop the server', async t => {
  const http = await serving(t)
  http.show(new Map([['/', hello]]))
  for (const sent of ['\0\x01\x02garbage\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n']) {
    t.regex(await raw(http.url, sent), /^HTTP\/1\.1 400 /)
  }
  t.is((await fetch(http.url)).status, 200)
})

test('headers beyond the bound are 431', async t => {
  const http = await serving(t)
  const long = 'x'.repeat(maxHttpHeaderBytes + 1)
  t.regex(
    await raw(http.url, `GET / HTTP/1.1\r\nHost: a\r\nX: ${long}\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  )
})

test('a second request on one connection is not served', async t => {
  const http = await serving(t)
  http.show(new Map([['/', hello]]))
  const one = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  t.is((await raw(http.url, one + one)).split('HTTP/1.1 200').length - 1, 1)
})

test('who sends nothing, half a request or a body that never ends is cut off', async t => {
  const http = await serving(t, { requestMs: 50 })
  http.show(new Map([['/', hello]]))
  const body = 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx'
  for (const sent of ['', 'GET / HT', 'GET / HTTP/1.1\r\nHost: a\r\n', body]) {
    await raw(http.url, sent)
  }
  t.pass('every connection has ended')
})

test('who does not read its answer is cut off', async t => {
  const { timers } = env
  const deadline = Promise.withResolvers<() => void>()
  const after = (_delayMs: number, callback: () => void) => {
    deadline.resolve(callback)
    return { cancel() {} }
  }
  const bound = { ...env, timers: { ...timers, after } }
  const http = await serving(t, { env: bound })
  const body = 'x'.repeat(64 * 1024 * 1024)
  const asked = Promise.withResolvers<void>()
  const page = () => {
    asked.resolve()
    return { type: 'text/plain', body }
  }
  http.show(new Map([['/', page]]))
  const { hostname, port } = new URL(http.url)
  const sent = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const socket = connect(Number(port), hostname, () => socket.write(sent))
  socket.pause()
  await asked.promise
  const cut = await deadline.promise
  cut()
  let bytes = 0
  socket.on('data', (data: Buffer) => {
    bytes += data.length
  })
  const ended = new Promise<void>(resolve => {
    socket.once('close', () => resolve()).on('error', () => resolve())
  })
  socket.resume()
  await ended
  t.true(bytes < body.length)
})

test('a page that fails is 500, without a word of why, and the log has it', async t => {
  const logged: object[] = []
  const log = { info() {}, warn: (fields: object) => logged.push(fields) }
  const http = await serving(t, { log })
  const broken = () => {
    throw new Error('secret')
  }
  http.show(new Map([['/', broken]]))
  const got = await fetch(http.url)
  t.is(got.status, 500)
  t.notRegex(await got.text(), /secret/)
  t.is(logged.length, 1)
})

test('many who ask at once have the page made once, and the next one anew', async t => {
  const http = await serving(t)
  const go = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  let made = 0
  const slow = async () => {
    made += 1
    begun.resolve()
    await go.promise
    return hello()
  }
  http.show(new Map([['/', slow]]))
  const first = fetch(http.url)
  await begun.promise
  const more = [1, 2, 3].map(() => fetch(http.url))
  // The server takes requests in the order in which they arrive: this one comes behind the others.
  for (const _ of more) await fetch(`${http.url}none`)
  go.resolve()
  for (const page of [first, ...more]) t.is((await page).status, 200)
  t.true(made < 4)
  const before = made
  await fetch(http.url)
  t.is(made, before + 1)
})

test('a port that is taken, and a host that is not ours, are clear errors', async t => {
  const http = await serving(t)
  const address = { host: '127.0.0.1', port: Number(new URL(http.url).port) }
  const taken = await t.throwsAsync<ClusterError>(serveHttp({ env, address, log: silentLog }))
  t.is(taken.code, 'IN_USE')
  t.regex(taken.message, new RegExp(`port ${address.port} .* choose another with --http`))
  const elsewhere = { host: '192.0.2.1', port: 0 }
  const not = await t.throwsAsync<ClusterError>(
    serveHttp({ env, address: elsewhere, log: silentLog }),
  )
  t.is(not.code, 'BAD_ADDRESS')
})

test('an address of IPv6 stands in brackets', async t => {
  const http = await serving(t, { address: { host: '::1', port: 0 } }).catch(() => null)
  if (http === null) return t.pass('this machine has no IPv6')
  t.regex(http.url, /^http:\/\/\[::1\]:\d+\/$/)
})
