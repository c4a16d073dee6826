/**
 * What grows with the number of servers, partitions and files, by computing it for up to 10,000 servers:
 *
 *     node bench/scale/run.ts [--out bench/results/scale] [--files 40000]
 *
 * Writes figures.json, tables.md and the plots into the folder. Times are processor time.
 */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import type { CrowdFigures } from './crowd.ts'
import { type Figures, plotsOf, tablesOf } from './page.ts'
import { placementFigures, type Shape } from './placement.ts'
import { viewFigures } from './views.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'bench/results/scale' },
    files: { type: 'string', default: '40000' },
  },
})

const run = promisify(execFile)
const crowdScript = fileURLToPath(new URL('crowd.ts', import.meta.url))

const serverCounts = [10, 100, 1_000, 10_000]
const partitionCounts = [256, 4096]
const replicas = 3

const shapes: readonly Shape[] = partitionCounts.flatMap(partitions =>
  serverCounts.map(servers => ({ servers, partitions, replicas })),
)

const placement = shapes.map(shape => {
  console.error(`placement: ${shape.servers} servers, ${shape.partitions} partitions`)
  return placementFigures(shape)
})
const views = shapes.map(viewFigures)
const crowds: CrowdFigures[] = []
for (const partitions of [1, 16, 256, 4096]) {
  console.error(`one server with ${partitions} partitions, ${values.files} files`)
  crowds.push(await crowdOf(partitions))
}
const figures: Figures = { placement, views, crowds }

await mkdir(values.out, { recursive: true })
await writeFile(join(values.out, 'figures.json'), `${JSON.stringify(figures, null, 2)}\n`)
await writeFile(join(values.out, 'tables.md'), tablesOf(figures))
for (const [name, picture] of Object.entries(plotsOf(figures))) {
  await writeFile(join(values.out, name), picture)
}
console.error(`written to ${values.out}`)
process.exit()

/** In a process of its own, so that one's memory is not another's. */
async function crowdOf(partitions: number): Promise<CrowdFigures> {
  const args = ['--expose-gc', crowdScript, `${partitions}`, values.files]
  const { stdout } = await run(process.execPath, args)
  const figures: CrowdFigures = JSON.parse(stdout)
  return figures
}
