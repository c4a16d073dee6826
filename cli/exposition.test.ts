import test from 'ava'
import { FuseTally } from '../client/fuse/tally.ts'
import { SimulatedEnv } from '../network/env/simulated.ts'
import { ClusterError, PosixError } from '../network/errors.ts'
import { counter, gauge } from '../network/metrics/metric.ts'
import { callOk, RpcTally, resultOf } from '../network/rpc/tally.ts'
import { operationNumbers } from '../network/wire/operations.ts'
import { readExposition } from './exposition.test-support.ts'
import { expose } from './exposition.ts'

const env = new SimulatedEnv({ seed: 1 })

test('numbers are exposed under their names and labels, with those of the process', async t => {
  const { type, body } = await expose([
    counter('a_total', 'What grows.', 3),
    gauge('b', 'What does not.', [
      { labels: { disk: 'data', path: '/x' }, value: 1 },
      { labels: { disk: 'meta', path: '/x' }, value: -2.5 },
    ]),
    gauge('none', 'Of nothing.', []),
  ])
  t.is(type, 'text/plain; version=0.0.4; charset=utf-8')
  const { values, types } = readExposition(body)
  t.is(values.get('a_total'), 3)
  t.is(values.get('b{disk="meta",path="/x"}'), -2.5)
  t.is(types.get('a_total'), 'counter')
  t.is(types.get('none'), 'gauge')
  t.true((values.get('process_resident_memory_bytes') ?? 0) > 0)
  t.true(values.has('nodejs_eventloop_lag_seconds'))
})

test('labels and help of any text leave a format that can be read', async t => {
  const nasty = 'a"b\\c\nd{},="x" 1\n# TYPE evil counter'
  const { body } = await expose([
    gauge('a', `help ${nasty}`, [{ labels: { of: nasty }, value: 1 }]),
  ])
  const { types, values } = readExposition(body)
  t.false(types.has('evil'))
  t.is([...values.keys()].filter(key => key.startsWith('a{')).length, 1)
})

test('calls are counted by operation and result, and timed', async t => {
  const { served, ...rest } = new RpcTally(env)
  const { lookup, create } = operationNumbers
  served.ended(lookup, callOk, served.nowMs())
  served.ended(lookup, resultOf(new PosixError('ENOENT', 'x')), served.nowMs() - 0.2)
  served.ended(lookup, resultOf(new ClusterError('STALE_EPOCH', 'x')), served.nowMs() - 60_000)
  served.ended(create, resultOf(new TypeError('x')), served.nowMs() - 4)
  served.ended(60_000, callOk, served.nowMs())
  t.truthy(rest)
  const { body } = await expose(served.metrics('x', 'Requests'))
  const { values } = readExposition(body)
  const of = (operation: string, result: string) =>
    values.get(`x_total{operation="${operation}",result="${result}"}`)
  t.is(of('lookup', 'ok'), 1)
  t.is(of('lookup', 'posix_error'), 1)
  t.is(of('lookup', 'cluster_error'), 1)
  t.is(of('create', 'internal_error'), 1)
  t.is(of('unknown', 'ok'), 1)
  const bucket = (le: string) => values.get(`x_seconds_bucket{operation="lookup",le="${le}"}`)
  t.deepEqual([bucket('0.0001'), bucket('0.00025'), bucket('10'), bucket('+Inf')], [1, 2, 2, 3])
  t.is(values.get('x_seconds_count{operation="lookup"}'), 3)
  t.is(Math.round(values.get('x_seconds_sum{operation="lookup"}')! * 1e4), 600_002)
  t.is(of('getattr', 'ok'), undefined)
})

test('requests of the kernel are counted by operation, with their errors and bytes', async t => {
  const tally = new FuseTally(env)
  tally.began(3)
  tally.ended(3, 1, 0)
  tally.began(3)
  tally.ended(3, 1, 2)
  tally.ended(0, 4_000_000_000, 38)
  tally.readBytes += 5
  const { values } = readExposition((await expose(tally.metrics())).body)
  t.is(values.get('rookery_fuse_seconds_count{operation="lookup"}'), 2)
  t.is(values.get('rookery_fuse_errors_total{operation="lookup"}'), 1)
  t.is(values.get('rookery_file_read_bytes_total'), 5)
})

test('the reader of the format refuses what Prometheus would', t => {
  const head = '# HELP a b\n# TYPE a counter\n'
  t.notThrows(() => readExposition(`${head}a{b="c"} 1\n`))
  const bad = ['a 1', 'a{b=c} 1\n', 'b 1\n', 'a -1\n', 'a 1\na 2\n', 'a{b="\n"} 1\n', 'a one\n']
  for (const text of bad) t.throws(() => readExposition(head + text), undefined, text)
  const histogram = '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\n'
  t.throws(() => readExposition(histogram), { message: /falls/ })
  const sample = (labels: string) =>
    `h_bucket{${labels}} 1\nh_sum{kind="x"} 1\nh_count{kind="x"} 1\n`
  for (const labels of ['le="+Inf",kind="x"', 'kind="x",le="+Inf"']) {
    t.notThrows(() => readExposition(`# HELP h b\n# TYPE h histogram\n${sample(labels)}`))
  }
})
