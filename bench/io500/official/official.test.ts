import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { phases, scoreOf } from '../phases.ts'
import { configurationText } from './configuration.ts'
import { parseProgress, parseResults } from './results.ts'
import { mpiArguments, type OfficialRun, runOfficial } from './run.ts'

const scratch = await mkdtemp(join(tmpdir(), 'rookery-official-'))
test.after.always(() => rm(scratch, { recursive: true }))

const plain = {
  ...({ variant: 'usual', stonewallSeconds: 8, ranks: 2, dropCaches: false } as const),
  ...{ dataDirectory: '/mnt/data', resultDirectory: '/var/results' },
  find: { processes: null, queueLength: null },
} as const

test('the configuration says where to work and for how long, and no more', t => {
  t.is(
    configurationText(plain),
    `[global]
datadir = /mnt/data
timestamp-datadir = FALSE
resultdir = /var/results
timestamp-resultdir = FALSE
drop-caches = FALSE

[debug]
stonewall-time = 8

[find]

[ior-rnd4K-easy-read]
run = FALSE
`,
  )
})

test('an official run leaves out no phase; caches and find are set where asked', t => {
  const text = configurationText({
    ...plain,
    ...{ variant: 'official', stonewallSeconds: 300, dropCaches: true },
    find: { processes: 1, queueLength: 500 },
  })
  t.false(text.includes('run = FALSE'))
  t.true(text.includes('stonewall-time = 300\n'))
  t.true(text.includes('drop-caches = TRUE\ndrop-caches-cmd = sh -c "echo 3 >'))
  t.true(text.includes('[find]\nnproc = 1\npfind-queue-length = 500\n'))
})

test('a path that the format cannot hold is refused', t => {
  for (const dataDirectory of ['/mnt/a b', '/mnt/#1', '/mnt/a\nb', '/mnt/;']) {
    t.throws(() => configurationText({ ...plain, dataDirectory }), { message: /takes only paths/ })
  }
})

test('one mount is one command; several are one rank each, in a namespace that shows its mount', t => {
  const run = { program: '/bin/io500', config: '/c.ini', ranks: 3, name: 'io500-x', root: false }
  const general = ['--oversubscribe']
  t.deepEqual(mpiArguments({ ...run, directories: ['/m1'] }), [
    ...general,
    ...['-np', '3', '/bin/io500', '/c.ini'],
  ])
  const several = mpiArguments({ ...run, root: true, directories: ['/m1', '/m2'] })
  t.is(several[0], '--allow-run-as-root')
  const contexts = several.join(' ').split(' : ')
  t.is(contexts.length, 3)
  t.regex(contexts[0] ?? '', /sh \/m1\/io500-x \/m1\/io500-x \/bin\/io500 \/c\.ini$/)
  t.regex(contexts[1] ?? '', /-np 1 unshare --mount .* \/m2\/io500-x \/m1\/io500-x \/bin\/io500/)
  t.regex(contexts[2] ?? '', /sh \/m1\/io500-x \/m1\/io500-x/)
})

test('a line of progress is a phase with its figure', t => {
  const line = '[RESULT]     mdtest-easy-stat      113.413987 kIOPS : time 1.111 seconds [INVALID]'
  t.deepEqual(parseProgress(line), {
    ...{ name: 'mdtest-easy-stat', unit: 'kIOPS', value: 113.413987 },
    ...{ seconds: 1.111, count: null },
  })
  t.is(
    parseProgress('[      ]            timestamp        0.000000 kIOPS : time 0.000 seconds'),
    null,
  )
  t.is(parseProgress('[RESULT]  another-phase  1.0 kIOPS : time 1.0 seconds'), null)
  t.is(parseProgress('IO500 version io500-isc26 (standard)'), null)
})

/** In the form of result.txt. */
function resultText(complaints: { readonly [section: string]: string } = {}): string {
  const section = (name: string, value: number) => `
[${name}]
t_start         = 2026-01-01 00:00:00
exe             = ./ior --dataPacketType=timestamp -C -Q 1 -g -G=18 -k -e -o /data/file
${complaints[name] ?? '; ERROR INVALID Runtime is smaller than expected minimum runtime'}
score           = ${value.toFixed(6)}
t_delta         = 2.5000
t_end           = 2026-01-01 00:00:03
`
  const value = (unit: string) => (unit === 'GiB/s' ? 4 : 9)
  return `[run]
procs           = 2
version         = io500-isc26_v2
; START 2026-01-01 00:00:00
; ERROR INVALID stonewall-time 1s != 300s
${phases.map(({ name, unit }) => section(name, value(unit))).join('')}
[ior-rnd4K-easy-read]
; ERROR INVALID Resulting score shouldn't be 0.0
score           = 0.000000
t_delta         = 0.0000

[SCORE]
MD              = 9.000000
BW              = 4.000000
SCORE           = 6.000000 [INVALID]
hash            = 1FA3
`
}

test('results are read with the score that the program gives them', t => {
  const { version, phases: results, errors } = parseResults(resultText())
  t.is(version, 'io500-isc26_v2')
  t.deepEqual(
    results.map(({ name }) => name),
    phases.map(({ name }) => name),
  )
  t.is(results[0]?.seconds, 2.5)
  t.is(scoreOf(results).total.toFixed(6), '6.000000')
  t.deepEqual(errors, [], 'that a run is short, or a phase left out, is no error')
})

test('what the program holds against a phase is an error of the run', t => {
  const { errors } = parseResults(
    resultText({
      'ior-hard-read': '; ERROR INVALID Errors (3) occured during phase in IOR.',
      find: "; ERROR INVALID Resulting score shouldn't be 0.0",
    }),
  )
  t.deepEqual(errors, [
    "find: Resulting score shouldn't be 0.0",
    'ior-hard-read: Errors (3) occured during phase in IOR.',
  ])
})

test('results without a figure of some phase are refused', t => {
  const cut = resultText().replace(/\[mdtest-hard-read\][^[]*/, '')
  t.throws(() => parseResults(cut), { message: /no figure of mdtest-hard-read/ })
})

/** A program in mpirun's place, which gets the same arguments. */
async function standIn(script: string): Promise<OfficialRun> {
  const directory = await mkdtemp(join(scratch, 'run-'))
  const mpirun = join(directory, 'mpirun')
  await writeFile(mpirun, `#!/bin/bash\nconfig="\${@: -1}"\n${script}\n`)
  await chmod(mpirun, 0o755)
  return {
    ...{ variant: 'quick', stonewallSeconds: 1, ranks: 2, dropCaches: false, program: '/io500' },
    ...{ mpirun, directories: [directory], find: plain.find },
    resultDirectory: join(directory, 'results'),
  }
}

test('a run tells its phases, keeps what the program said, and leaves nothing in the directory', async t => {
  const told: string[] = []
  const run = await standIn(`
data=$(sed -n 's/^datadir = //p' "$config"); results=$(sed -n 's/^resultdir = //p' "$config")
mkdir -p "$data/ior-easy" "$results"
echo '[RESULT]                 find      114.616230 kIOPS : time 0.142 seconds'
cat > "$results/result.txt" <<'END'
${resultText()}
END`)
  const results = await runOfficial({ ...run, onPhase: ({ name }) => told.push(name) })
  t.deepEqual(told, ['find'])
  t.is(results.phases.length, phases.length)
  t.deepEqual((await readdir(join(run.resultDirectory))).sort(), [
    'config.ini',
    'official',
    'output.txt',
  ])
  t.regex(await readFile(join(run.resultDirectory, 'output.txt'), 'utf8'), /114\.616230/)
  t.deepEqual((await readdir(run.directories[0] ?? '')).sort(), ['mpirun', 'results'])
})

test('a program that fails ends the run with its last words', async t => {
  const run = await standIn('echo "cannot open the file" >&2; exit 3')
  await t.throwsAsync(runOfficial(run), { message: /exit code 3: cannot open the file/ })
  await t.throwsAsync(runOfficial({ ...run, mpirun: '/nowhere/mpirun' }), {
    message: /\/nowhere\/mpirun cannot be started/,
  })
})

test('an interrupted run ends the program', async t => {
  const run = await standIn(
    "trap 'kill $!; exit 1' TERM; echo '[RESULT] find 1.0 kIOPS : time 0.1 seconds'; sleep 600 & wait",
  )
  const interrupted = new AbortController()
  const onPhase = () => interrupted.abort(new Error('enough'))
  await t.throwsAsync(runOfficial({ ...run, signal: interrupted.signal, onPhase }), {
    message: 'enough',
  })
})
