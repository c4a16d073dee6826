/** `rookery bench io500`: the phases of IO500 on a directory, beside others for comparison. */
import { Command, Option } from 'commander'
import { collect, countBetween } from './arguments.ts'
import { type ClusterOptions, homeOption, managerOption, volumeOption } from './options.ts'

export interface BenchOptions extends ClusterOptions {
  readonly io500?: string
  readonly mpirun: string
  readonly quick?: true
  readonly official?: true
  readonly compare?: readonly string[]
  readonly through: 'directory' | 'library'
  readonly mounts?: number
  readonly volume: string
  readonly ranks: number
  readonly stonewall?: number
  readonly dropCaches?: true
  readonly pfindProcesses?: number
  readonly pfindQueue?: number
  /** Commander's form of --no-results is false. */
  readonly results: string | false
  readonly json?: true
  readonly quiet?: true
}

const examples = `
Examples:
  $ rookery bench io500 --quick                          the mount of the running cluster
  $ rookery bench io500 ~/rookery --compare /var/tmp --stonewall 30
  $ rookery bench io500 --io500 ~/io500/io500            the official program, with mpirun
  $ rookery bench io500 --mounts 4 --ranks 4             a cluster mounted four times
  $ rookery bench io500 --through library                without a mount

Without --io500 the figures are made by a built-in program with the phases and parameters of IO500 (io500.org),
not by the official one. They are no IO500 submission; compare them within one run.`

export function benchCommand(): Command {
  return new Command('bench')
    .description('Measure how fast a file system is.')
    .addHelpText('after', '\nExample:\n  $ rookery bench io500 ~/rookery --quick')
    .addCommand(
      withPlaces(io500Command())
        .option('--json', 'print the results as JSON')
        .option('-q, --quiet', 'no progress')
        .addHelpText('after', examples)
        .action(async (directory: string | undefined, options: BenchOptions) => {
          const { runBench } = await import('./run-bench.ts')
          await runBench(directory, options)
        }),
    )
}

function io500Command(): Command {
  return new Command('io500')
    .description('Run the twelve phases of IO500 on a directory, through a mount or on any disk.')
    .argument(
      '[directory]',
      'an existing directory, in which a new one is made and removed again (default: the mount of the running cluster)',
    )
    .option('--io500 <program>', 'run this official io500 binary instead of the built-in phases')
    .option('--mpirun <program>', 'what starts the official binary', 'mpirun')
    .addOption(new Option('--quick', 'write phases of 3 s, for a first look').conflicts('official'))
    .option('--official', 'write phases of 300 s, as the rules of IO500 ask')
    .option(
      '--stonewall <seconds>',
      'least time of each write phase (default: 8)',
      countBetween(1, 3600),
    )
    .option('--ranks <count>', 'processes, -np of mpirun', countBetween(1, 1024), 2)
    .option('--drop-caches', "empty the kernel's caches before reading (root)")
    .option(
      '--pfind-processes <count>',
      'processes of the official find (default: all)',
      countBetween(1, 1024),
    )
    .option('--pfind-queue <length>', 'queue of the official find', countBetween(1, 1_000_000))
}

function withPlaces(command: Command): Command {
  return command
    .option('--compare <directory>', 'run on this one as well (repeatable)', collect(String))
    .addOption(
      new Option('--through <way>', 'how to reach the cluster: its client library needs no mount')
        .choices(['directory', 'library'])
        .default('directory'),
    )
    .option(
      '--mounts <count>',
      'mount the cluster so many times, and spread the ranks over the mounts',
      countBetween(1, 64),
    )
    .addOption(homeOption())
    .addOption(managerOption())
    .addOption(volumeOption())
    .option(
      '--results <directory>',
      'keep each run in a folder of its own there: figures, settings, machine, picture',
      'io500-results',
    )
    .option('--no-results', 'keep nothing')
}
