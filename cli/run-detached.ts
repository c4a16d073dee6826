/** `rookery up --detach`: the same `up` in a session of its own, watched until it is mounted. */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { Failure } from './failure.ts'
import { checkApart, locateHome, prepareHome } from './home.ts'
import { lifelineVariable, readLifeline } from './lifeline.ts'
import { locate } from './mountpoint.ts'
import { announce } from './output.ts'
import { checkRoom } from './room.ts'
import { openLog } from './supervised-child.ts'
import type { UpOptions } from './up.ts'

export async function runDetached(mountpoint: string, options: UpOptions): Promise<void> {
  const place = await locateHome(options.home)
  checkApart(place, await locate(mountpoint))
  await checkRoom(place)
  const home = await prepareHome(options.home)
  const logFile = home.logFile('supervisor')
  const log = openLog(logFile)
  const [, script = ''] = process.argv
  const args = process.argv.slice(2).filter(argument => argument !== '--detach')
  const child = spawn(process.execPath, [...process.execArgv, script, ...args], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, [lifelineVariable]: '1' },
  })
  closeSync(log)
  const forward = (): void => {
    child.kill('SIGTERM')
  }
  process.once('SIGINT', forward).once('SIGTERM', forward)
  await new Promise<void>((resolve, reject) => {
    child.on('message', received => {
      const message = readLifeline(received)
      if (message?.kind === 'progress' && options.quiet !== true) console.error(message.text)
      if (message?.kind === 'failed') reject(new Failure(message.text))
      if (message?.kind !== 'ready') return
      if (options.quiet !== true) announce(`${message.text}\n'rookery down' stops it.`)
      resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Failure(`${mountpoint} was not mounted: see ${logFile}`)))
  })
  child.disconnect()
  child.unref()
}
