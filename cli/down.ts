/** `rookery down`: asks the supervisor of a home to stop everything, and waits until it has. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { Failure } from './failure.ts'
import { locateHome } from './home.ts'
import { liveState } from './home-lock.ts'
import { homeOption } from './options.ts'

/** More than the supervisor's own deadlines together: mount, servers, manager. */
const deadlineMs = 60_000
const pollMs = 50

export function downCommand(): Command {
  return new Command('down')
    .description('Stop the cluster of this machine: unmount, then stop its servers. Data stays.')
    .addOption(homeOption())
    .addHelpText('after', '\nExample:\n  $ rookery down --home /srv/rookery')
    .action(down)
}

async function down(options: { readonly home: string }): Promise<void> {
  const home = await locateHome(options.home)
  const state = await liveState(home)
  if (state === null) throw new Failure(`no cluster is running in ${home.directory}`)
  process.kill(state.pid, 'SIGTERM')
  const deadline = performance.now() + deadlineMs
  while ((await liveState(home)) !== null) {
    if (performance.now() > deadline) {
      throw new Failure(
        `the cluster of ${home.directory} has not stopped after ${deadlineMs / 1000} s: see ${home.logDirectory}`,
      )
    }
    await sleep(pollMs)
  }
  console.log(`stopped ${home.directory}`)
}
