/** The identity of this machine, and in which order to dial a member's addresses from it. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname, uptime } from 'node:os'
import type { Random } from '../env/env.ts'
import type { Member, MemberId } from '../wire/view.ts'

export interface HostIdentity {
  /** Equal for all members on one machine, and on no other: 32 hexadecimal digits. */
  readonly id: string
  readonly name: string
}

const bootFile = '/proc/sys/kernel/random/boot_id'
/** Of the machine, then of this boot of it: the first that can be read. */
const identityFiles = ['/etc/machine-id', bootFile]

/**
 * The machine's id is hashed, as machine-id(5) asks, together with the host's name, which differs where
 * containers of one image share the file.
 */
export async function hostIdentity(
  files: readonly string[] = identityFiles,
): Promise<HostIdentity> {
  const name = hostname()
  const machine = await firstContent(files)
  const id = createHash('sha256').update(`rookery\0${machine}\0${name}`).digest('hex').slice(0, 32)
  return { id, name }
}

/**
 * Equal as long as what was given to the machine's kernel cannot have been lost: another one after every
 * boot. Where the kernel does not tell, another one each time: then a restart counts as a loss of power.
 */
export async function bootIdentity(random: Random, file: string = bootFile): Promise<string> {
  const boot = await firstContent([file])
  return boot === '' ? random.id() : boot
}

/**
 * What a server calls a boot of its machine under which it found so often that its disk does not have what the kernel was given: to
 * whoever relies on that, it is another boot each time.
 */
export function bootOfServer(boot: string, server: MemberId, losses: number): string {
  return losses === 0 ? `${boot}/${server}` : `${boot}/${server}+${losses}`
}

/** The machine's boot that a server has told of so. */
export function machineBootOf(told: string): string {
  return told.replace(/\/.*$/s, '')
}

/** For how long this machine has been up, by its own clock. */
export function machineUpMs(): number {
  return uptime() * 1000
}

/**
 * A member's addresses in the order to dial them from `host`: its Unix sockets first on the same machine,
 * and not at all from another.
 */
export function addressesFor(member: Pick<Member, 'addresses' | 'host'>, host: string): string[] {
  const isUnix = (address: string) => address.startsWith('unix:')
  const others = member.addresses.filter(address => !isUnix(address))
  if (member.host !== host) return others
  return [...member.addresses.filter(isUnix), ...others]
}

async function firstContent(files: readonly string[]): Promise<string> {
  for (const file of files) {
    try {
      const content = (await readFile(file, 'utf8')).trim()
      if (content !== '') return content
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  // Without either file the name alone has to do: it is what an administrator tells hosts apart by.
  return ''
}
