/** Trees of files of mixed sizes, and one number that tells whether anything in them changed. */
import { createHash } from 'node:crypto'
import {
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { bytesOf } from '../posix/bytes.ts'

const lengths = [0, 1, 300, 4_000, 8_192, 8_193, 20_000, 65_536, 100_000]
const filesOfDirectory = 40

/** Makes `fileCount` files in directories of 40, some of them large, some linked. */
export async function plantTree(root: string, fileCount: number): Promise<void> {
  for (let first = 0; first < fileCount; first += filesOfDirectory) {
    const directory = `${root}/branch-${first % 7}/twig-${first}`
    await mkdir(directory, { recursive: true })
    const indexes = Array.from({ length: filesOfDirectory }, (_, index) => first + index)
    await Promise.all(
      indexes.map(async index => {
        const length = index % 500 === 0 ? 3_000_000 : (lengths[index % lengths.length] ?? 0)
        await writeFile(`${directory}/file-${index}`, bytesOf(index, length), { mode: 0o640 })
      }),
    )
    await symlink(`file-${first}`, `${directory}/symbolic`)
    await link(`${directory}/file-${first + 1}`, `${directory}/hard`)
  }
}

/** Names, types, modes, times, link counts and contents of all that lies below, as one hash. */
export async function hashTree(root: string): Promise<string> {
  const hash = createHash('sha256')
  const walk = async (path: string): Promise<void> => {
    const stats = await lstat(path, { bigint: true })
    const { mode, nlink, uid, gid, mtimeNs } = stats
    hash.update(`${path.slice(root.length)} ${mode} ${nlink} ${uid} ${gid} ${mtimeNs}\n`)
    if (stats.isSymbolicLink()) hash.update(await readlink(path))
    if (stats.isFile()) hash.update(await readFile(path))
    if (!stats.isDirectory()) return
    for (const name of (await readdir(path)).sort()) await walk(`${path}/${name}`)
  }
  await walk(root)
  return hash.digest('hex')
}
