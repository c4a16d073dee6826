/** What of the options of `up` can be told to be wrong before anything is made. */
import { Failure } from './failure.ts'
import { listeningOn } from './listening.ts'
import { checkTrusting } from './trusting.ts'
import type { UpOptions } from './up.ts'

/** @throws Failure */
export function checkOptions(options: UpOptions): void {
  const { port, http, servers = 1 } = options
  listeningOn(port === undefined ? [] : [`tcp://127.0.0.1:${port}`], options)
  checkTrusting(options)
  const last = 65_535
  if (port !== undefined && port + servers > last) throw noRoom('--port', port, 'server')
  if (http !== undefined && http + servers >= last) throw noRoom('--http', http, 'member')
}

/** Members listen on ports one after the other. */
export function noRoom(option: string, port: number, what: string): Failure {
  const text = `${option} ${port} leaves no room for every ${what}: choose a lower one`
  return new Failure(text, { usage: true })
}
