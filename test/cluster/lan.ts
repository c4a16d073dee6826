/**
 * A network of machines within this one: a namespace of the kernel's for each (ip-netns(8)), wired to one bridge.
 * Takes root; iproute2 is installed where it is missing.
 */
import { randomBytes } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import { isInstalled, run } from '../posix/program.ts'
import { type Machine, makeMachines } from './machines.ts'

/** Why there can be none here; null where there can. */
export async function whyNoLan(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'namespaces of networks take root'
  if (!isInstalled('nsenter')) return 'there is no nsenter (util-linux)'
  if (!isInstalled('ip') && !(await install('iproute2'))) {
    return 'there is no ip, and apt-get could not install iproute2'
  }
  const name = `rk-${randomBytes(3).toString('hex')}`
  const made = await run('/', 'ip', ['netns', 'add', name])
  if (made.code !== 0) return `this machine lets nobody make networks: ${made.stderr.trim()}`
  await run('/', 'ip', ['netns', 'delete', name])
  return null
}

async function install(name: string): Promise<boolean> {
  const apt = (...words: string[]) => run('/', 'apt-get', [...words, '-qq'])
  const attempt = () => apt('install', '-y', name)
  if ((await attempt()).code === 0) return true
  await apt('update')
  return (await attempt()).code === 0
}

export interface Lan {
  readonly machines: readonly Machine[]
  /** Of the machine at this place in `machines`. */
  address(index: number): string
  /** Pulls its plug, or puts it in again. */
  plug(index: number, state: 'up' | 'down'): Promise<void>
}

export async function makeLan(t: ExecutionContext, names: readonly string[]): Promise<Lan> {
  const id = randomBytes(3).toString('hex')
  const namespaces = names.map((_, index) => `rk-${id}-${index}`)
  const plugs = names.map((_, index) => `rk${id}-${index}`)
  const bridge = `rk${id}`
  const address = (index: number) => `10.77.0.${index + 1}`
  t.teardown(async () => {
    for (const name of namespaces) await run('/', 'ip', ['netns', 'delete', name])
    await run('/', 'ip', ['link', 'delete', bridge])
  })
  await ip(`link add ${bridge} type bridge`)
  await ip(`link set ${bridge} up`)
  for (const [index, name] of namespaces.entries()) {
    await ip(`netns add ${name}`)
    await ip(`link add ${plugs[index]} type veth peer name eth0 netns ${name}`)
    await ip(`link set ${plugs[index]} master ${bridge} up`)
    await ip(`-n ${name} address add ${address(index)}/24 dev eth0`)
    await ip(`-n ${name} link set lo up`)
    await ip(`-n ${name} link set eth0 up`)
    // As a default route would do.
    await ip(`-n ${name} route add 224.0.0.0/4 dev eth0`)
  }
  // Its mounts stay where the test can see them: of a machine only its network is another.
  const before = (name: string) => [
    'nsenter',
    `--net=/run/netns/${namespaces[names.indexOf(name)]}`,
  ]
  const machines = await makeMachines(t, { names, before })
  return { machines, address, plug: (index, state) => ip(`link set ${plugs[index]} ${state}`) }
}

async function ip(words: string): Promise<void> {
  const { code, stderr } = await run('/', 'ip', words.split(' '))
  if (code !== 0) throw new Error(`ip ${words}: ${stderr}`)
}
