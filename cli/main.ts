/** The command line: which commands there are, and what becomes of their errors. */
import { Command, CommanderError, Option } from 'commander'
import { assertDecoded } from './arguments.ts'
import { benchCommand } from './bench.ts'
import { catCommand } from './cat.ts'
import { downCommand } from './down.ts'
import { drainCommand } from './drain.ts'
import { describeError, exitCode, exitCodeOf, Failure, oneLine } from './failure.ts'
import { fsckCommand } from './fsck.ts'
import { getCommand } from './get.ts'
import { joinCommand } from './join.ts'
import { keyCommand } from './key.ts'
import { leaveCommand } from './leave.ts'
import { tellSupervisor } from './lifeline.ts'
import { lsCommand } from './ls.ts'
import { managerCommand } from './manager.ts'
import { memberCommand } from './member.ts'
import { mountCommand } from './mount.ts'
import { outputTaken, watchOutput } from './output.ts'
import { putCommand } from './put.ts'
import { rmCommand } from './rm.ts'
import { serverCommand } from './server.ts'
import { statCommand } from './stat.ts'
import { statusCommand } from './status.ts'
import { tokenCommand } from './token.ts'
import { umountCommand } from './umount.ts'
import { upCommand } from './up.ts'
import { version } from './version.ts'
import { volumeCommand } from './volume.ts'

const examples = `
Start a cluster of three servers on this machine, mounted:
  $ rookery up ~/rookery
Stop it; the data stays:
  $ rookery down

Every command has --help.`

function program(): Command {
  const rookery = new Command('rookery')
    .description('A peer-to-peer storage cluster that programs use as an ordinary file system.')
    .version(version(), '-V, --version')
    .option('--debug', 'show the stack of an error')
    .addHelpText('after', examples)
  rookery.commandsGroup('A cluster on this machine:')
  rookery.addCommand(upCommand()).addCommand(downCommand()).addCommand(statusCommand())
  rookery.addCommand(fsckCommand())
  rookery.commandsGroup('Mounts and volumes:')
  rookery.addCommand(mountCommand()).addCommand(umountCommand()).addCommand(volumeCommand())
  rookery.commandsGroup('Files, without a mount:')
  rookery.addCommand(lsCommand()).addCommand(catCommand()).addCommand(statCommand())
  rookery.addCommand(putCommand()).addCommand(getCommand()).addCommand(rmCommand())
  rookery.commandsGroup('Members, one process each:')
  rookery.addCommand(managerCommand()).addCommand(serverCommand())
  rookery.commandsGroup('A cluster of several machines:')
  rookery.addCommand(tokenCommand()).addCommand(joinCommand()).addCommand(keyCommand())
  rookery.addCommand(memberCommand()).addCommand(drainCommand()).addCommand(leaveCommand())
  rookery.commandsGroup('Measuring:')
  rookery.addCommand(benchCommand())
  settle(rookery)
  return rookery.hook('preAction', (_, command) => refuseEmpty(command))
}

/** What commander does not pass down to commands that were made apart. */
function settle(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(`rookery: ${oneLine(text.replace(/^error: /, ''))}\n`),
  })
  for (const nested of command.commands) {
    nested.addOption(new Option('--debug').hideHelp())
    settle(nested)
  }
}

/** @throws Failure for an empty word: as a path it would be the working directory. */
function refuseEmpty(command: Command): void {
  const refuse = (what: string, value: unknown): void => {
    if ([value].flat().includes('')) throw new Failure(`${what} is empty`, { usage: true })
  }
  for (const [index, argument] of command.registeredArguments.entries()) {
    refuse(`argument '${argument.name()}'`, command.processedArgs[index])
  }
  for (const option of command.options) {
    refuse(`option '${option.flags}'`, command.getOptionValue(option.attributeName()))
  }
}

/** @returns the exit code. @throws what the command throws, but for what commander has told itself. */
async function obey(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) return exitCode.usage
  }
  await outputTaken()
  // A command may have something to say that is no error.
  return Number(process.exitCode ?? exitCode.ok)
}

async function run(argv: readonly string[]): Promise<number> {
  // Timers of network/env do not keep a process alive, and a command may wait on nothing else.
  const alive = setInterval(() => {}, 2 ** 30)
  try {
    assertDecoded(argv)
    return await obey(argv)
  } catch (error) {
    const text = describeError(error)
    process.stderr.write(`rookery: ${text}\n`)
    if (argv.includes('--debug')) console.error(error)
    await tellSupervisor('failed', text)
    return exitCodeOf(error)
  } finally {
    clearInterval(alive)
  }
}

watchOutput()
process.exitCode = await run(process.argv)
// What a pipe has not taken yet would be lost; of a command that failed nothing more is told.
await outputTaken().catch(() => undefined)
// What is left open by now, such as a connection that is slow to close, must not hold up the shell.
process.exit()
