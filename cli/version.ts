/** Which version this is. */
import { readFileSync } from 'node:fs'

/** The package is one directory up from the sources, and two from what was compiled. */
export function version(): string {
  for (const candidate of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(candidate, import.meta.url), 'utf8')
      const found: unknown = JSON.parse(text)
      if (typeof found === 'object' && found !== null && 'version' in found) {
        return String(found.version)
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  return 'unknown'
}
