/** config.ini of the official program: what differs from its defaults, and where it works. */
import type { FindSettings, RunSettings } from '../settings.ts'

export interface Configuration extends RunSettings {
  /** Where it makes its files; it makes and removes this directory itself. */
  readonly dataDirectory: string
  readonly resultDirectory: string
  readonly find: FindSettings
}

type Section = readonly [name: string, values: { readonly [key: string]: string | number }]

/** As root there is no need of sudo, which the program's own default asks for. */
const dropCachesCommand = 'sh -c "echo 3 > /proc/sys/vm/drop_caches"'

/** @throws when a path would not come through the format: it has no quoting. */
export function configurationText(configuration: Configuration): string {
  return sectionsOf(configuration)
    .map(([name, values]) => {
      const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}`)
      return [`[${name}]`, ...lines, ''].join('\n')
    })
    .join('\n')
}

function sectionsOf(configuration: Configuration): readonly Section[] {
  const { variant, stonewallSeconds, dropCaches, find } = configuration
  return [
    [
      'global',
      {
        datadir: plain(configuration.dataDirectory),
        'timestamp-datadir': 'FALSE',
        resultdir: plain(configuration.resultDirectory),
        'timestamp-resultdir': 'FALSE',
        'drop-caches': dropCaches ? 'TRUE' : 'FALSE',
        ...(dropCaches ? { 'drop-caches-cmd': dropCachesCommand } : {}),
      },
    ],
    ['debug', { 'stonewall-time': stonewallSeconds }],
    [
      'find',
      {
        ...(find.processes === null ? {} : { nproc: find.processes }),
        ...(find.queueLength === null ? {} : { 'pfind-queue-length': find.queueLength }),
      },
    ],
    // It counts for nothing and takes as long as a write phase.
    ...(variant === 'official' ? [] : ([['ior-rnd4K-easy-read', { run: 'FALSE' }]] as const)),
  ]
}

function plain(path: string): string {
  if (/^[\w/.,:@+~-]+$/.test(path)) return path
  throw new Error(`${path}: the official program takes only paths of letters, digits and /._-`)
}
