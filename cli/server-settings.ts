/** What a server was started with the first time, kept in its metadata directory: the next start needs no more. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { codeOf, Failure } from './failure.ts'

const fileName = 'server.json'
const settings = z.object({
  dataDir: z.string(),
  listen: z.array(z.string()).min(1),
  name: z.string().exactOptional(),
  domain: z.string().exactOptional(),
  weight: z.number().positive().exactOptional(),
})
export type ServerSettings = z.infer<typeof settings>

/** null for a server that was never joined. @throws Failure when it is damaged. */
export async function readServerSettings(metaDir: string): Promise<ServerSettings | null> {
  const path = join(metaDir, fileName)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw new Failure(`${path} cannot be read (${codeOf(error)})`, { cause: error })
  })
  if (text === null) return null
  try {
    return settings.parse(JSON.parse(text))
  } catch (cause) {
    throw new Failure(`${path} is damaged: remove it, and give --data-dir and --listen`, { cause })
  }
}

export async function writeServerSettings(metaDir: string, value: ServerSettings): Promise<void> {
  const path = join(metaDir, fileName)
  const text = `${JSON.stringify(value, null, 2)}\n`
  await writeFile(`${path}.new`, text, { mode: 0o600, flush: true })
  await rename(`${path}.new`, path)
}
