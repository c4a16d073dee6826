/** Runs the small benchmarks: `node bench/micro/run.ts [name...]`, all of them by default. */
import { existsSync } from 'node:fs'
import { type Benchmark, printTable } from './table.ts'

/** Modules that export `name` and `run`. Each also runs alone. */
const modules = ['checksum', 'codec', 'transport', 'store', 'metadata', 'fuse']

const asked = process.argv.slice(2)
for (const module of asked.length > 0 ? asked : modules) {
  const url = new URL(`./${module}.ts`, import.meta.url)
  if (!existsSync(url)) {
    console.log(`\n${module}: there is no such benchmark`)
    continue
  }
  const benchmark: Benchmark = await import(url.href)
  printTable(benchmark.name, await benchmark.run())
}
