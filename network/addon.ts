/** Finds a C addon beside its source, whether we run from the sources or from `dist`. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

/**
 * @param name path of an addon without its ending, from the top of the project: `client/fuse/channel`.
 * @throws Error that says how to build it.
 */
export function loadAddon(name: string): unknown {
  const require = createRequire(import.meta.url)
  const path = new URL(`${name}.node`, packageRoot()).pathname
  if (!existsSync(path)) throw new Error(`${path} is missing: run ./build.sh`)
  return require(decodeURIComponent(path))
}

function packageRoot(): URL {
  let folder = new URL('.', import.meta.url)
  while (!existsSync(new URL('package.json', folder))) {
    const above = new URL('..', folder)
    if (above.href === folder.href) throw new Error('package.json not found above network')
    folder = above
  }
  return folder
}
