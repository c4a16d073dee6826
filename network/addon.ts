/** Finds what C became, addons and programs, beside its source, whether we run from the sources or from `dist`. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

/**
 * @param name path of an addon without its ending, from the top of the project: `client/fuse/channel`.
 * @throws Error that says how to build it.
 */
export function loadAddon(name: string): unknown {
  return createRequire(import.meta.url)(built(`${name}.node`))
}

/**
 * @param name path of a program without its ending, from the top of the project: `client/fuse/mount-guard`.
 * @throws Error that says how to build it.
 */
export function programPath(name: string): string {
  return built(`${name}.bin`)
}

function built(name: string): string {
  const path = decodeURIComponent(new URL(name, packageRoot()).pathname)
  if (!existsSync(path)) throw new Error(`${path} is missing: run ./build.sh`)
  return path
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
