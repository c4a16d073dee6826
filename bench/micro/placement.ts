/** How long placement takes, by members and partitions, and how long a location takes. */
import { realEnv } from '../../network/env/real.ts'
import { entryHash, partitionOfBlock } from '../../network/placement/locate.ts'
import { place } from '../../network/placement/placement.ts'

const { clock } = realEnv()
const name = new TextEncoder().encode('file.000123')

for (const memberCount of [3, 50, 1_000, 10_000]) {
  const members = Array.from({ length: memberCount }, (_, index) => ({
    id: `member-${index}`,
    weight: 1 + (index % 7),
    domain: `rack-${index % 100}`,
  }))
  for (const [partitionCount, replicaCount] of [
    [256, 1],
    [4096, 3],
  ] as const) {
    const startMs = clock.monotonicMs()
    place({ members, partitionCount, replicaCount })
    const ms = (clock.monotonicMs() - startMs).toFixed(1)
    console.log(`${memberCount} members, ${partitionCount} partitions × ${replicaCount}: ${ms} ms`)
  }
}

let sum = 0
time('partitionOfBlock', index => partitionOfBlock(2 ** 40 + 17, 1, index, 256))
time('entryHash', () => entryHash(name))
console.log(`checked by ${sum}`)

function time(what: string, action: (index: number) => number): void {
  const count = 1_000_000
  const startMs = clock.monotonicMs()
  for (let index = 0; index < count; index++) sum += action(index)
  console.log(`${what}: ${(((clock.monotonicMs() - startMs) * 1e6) / count).toFixed(0)} ns`)
}
