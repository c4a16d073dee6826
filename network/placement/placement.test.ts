import test from 'ava'
import fc from 'fast-check'
import type { PlacementMember } from './placement.ts'
import { fewestPartitions, mostPartitions, place } from './placement.ts'

const weight = fc.oneof(fc.constant(1), fc.double({ min: 0.1, max: 16, noNaN: true }))
const id = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 8, maxLength: 8 })
const partitionCounts = fc.constantFrom(64, 256, 1024)

function membersOf(length: { minLength: number; maxLength: number }) {
  return fc
    .uniqueArray(fc.record({ id, weight }), { ...length, selector: member => member.id })
    .map(members => members.map(member => ({ ...member, domain: member.id })))
}

function counts(lists: readonly (readonly string[])[]): Map<string, number> {
  const result = new Map<string, number>()
  for (const key of lists.flat()) result.set(key, (result.get(key) ?? 0) + 1)
  return result
}

function sumOfWeights(members: readonly PlacementMember[]): number {
  return members.reduce((sum, member) => sum + member.weight, 0)
}

function named(count: number, domains = count): PlacementMember[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `member-${index}`,
    weight: 1,
    domain: `rack-${index % domains}`,
  }))
}

test('first replicas stay within their bounds for 1 to 50 members of various weights', t => {
  fc.assert(
    fc.property(membersOf({ minLength: 1, maxLength: 50 }), partitionCounts, (members, count) => {
      const held = counts(place({ members, partitionCount: count, replicaCount: 1 }))
      const sum = sumOfWeights(members)
      return members.every(({ id, weight }) => {
        const fair = (count * weight) / sum
        const load = held.get(id) ?? 0
        return load <= mostPartitions(fair) && load >= fewestPartitions(fair)
      })
    }),
    { seed: 1, numRuns: 100 },
  )
  t.pass()
})

test('three equal servers share 256 partitions within a tenth', t => {
  for (let trial = 0; trial < 20; trial++) {
    const members = named(3).map(member => ({ ...member, id: `${member.id}/${trial}` }))
    const held = counts(place({ members, partitionCount: 256, replicaCount: 1 }))
    for (const load of held.values()) t.true(load >= 67 && load <= 95, `${load}`)
  }
})

test('one member that joins or leaves moves about its fair share', t => {
  let ratios = 0
  let runs = 0
  fc.assert(
    fc.property(membersOf({ minLength: 2, maxLength: 50 }), partitionCounts, (members, count) => {
      const before = place({ members: members.slice(1), partitionCount: count, replicaCount: 1 })
      const after = place({ members, partitionCount: count, replicaCount: 1 })
      const moved = after.filter((replicas, p) => replicas[0] !== before[p]![0]).length
      const share = members[0]!.weight / sumOfWeights(members)
      const fair = count * Math.max(share, 1 / members.length)
      ratios += moved / fair
      runs++
      return moved <= 4 * fair + 8
    }),
    { seed: 2, numRuns: 200 },
  )
  t.true(ratios / runs < 2, `${ratios / runs} times the share in the mean`)
})

test('placement depends neither on the order of the members nor on when it is computed', t => {
  fc.assert(
    fc.property(
      membersOf({ minLength: 1, maxLength: 12 }).chain(members =>
        fc.tuple(
          fc.constant(members),
          fc.shuffledSubarray(members, { minLength: members.length }),
          fc.integer({ min: 1, max: 4 }),
        ),
      ),
      ([members, shuffled, replicaCount]) => {
        const options = { partitionCount: 64, replicaCount }
        const once = JSON.stringify(place({ members, ...options }))
        return once === JSON.stringify(place({ members: shuffled, ...options }))
      },
    ),
    { seed: 3, numRuns: 60 },
  )
  t.pass()
})

test('replicas are distinct, and in distinct domains where there are enough', t => {
  const member = fc.record({ id, weight, domain: fc.constantFrom('a', 'b', 'c', 'd') })
  const members = fc.uniqueArray(member, { minLength: 1, maxLength: 12, selector: m => m.id })
  fc.assert(
    fc.property(members, fc.integer({ min: 1, max: 5 }), (members, replicaCount) => {
      const domainOf = new Map(members.map(m => [m.id, m.domain]))
      const domains = new Set(domainOf.values()).size
      return place({ members, partitionCount: 64, replicaCount }).every(
        replicas =>
          replicas.length === Math.min(replicaCount, members.length) &&
          new Set(replicas).size === replicas.length &&
          new Set(replicas.map(r => domainOf.get(r))).size === Math.min(replicas.length, domains),
      )
    }),
    { seed: 4, numRuns: 100 },
  )
  t.pass()
})

test('equal members in domains of their own hold no more than the bound of all replicas', t => {
  for (const [count, replicaCount] of [
    [3, 2],
    [5, 3],
    [12, 3],
    [40, 2],
  ] as const) {
    const held = counts(place({ members: named(count), partitionCount: 256, replicaCount }))
    const fair = (256 * replicaCount) / count
    for (const load of held.values()) t.true(load <= mostPartitions(fair), `${count}: ${load}`)
  }
})

test('more replicas than members gives each member one', t => {
  for (const replicas of place({ members: named(2), partitionCount: 16, replicaCount: 3 })) {
    t.deepEqual(replicas.toSorted(), ['member-0', 'member-1'])
  }
})

test('a domain that is too small for its share still gets a replica of everything', t => {
  const members = named(9, 1).concat({ id: 'alone', weight: 1, domain: 'elsewhere' })
  for (const replicas of place({ members, partitionCount: 256, replicaCount: 2 })) {
    t.true(replicas.includes('alone'))
  }
})

test('without members every partition is without replicas', t => {
  t.deepEqual(place({ members: [], partitionCount: 2, replicaCount: 1 }), [[], []])
})

test('a weight that is not a positive number is refused', t => {
  for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const members = [{ id: 'a', weight, domain: 'a' }]
    t.throws(() => place({ members, partitionCount: 1, replicaCount: 1 }))
  }
})

test('placement is what it has always been', t => {
  const placed = place({ members: named(5), partitionCount: 12, replicaCount: 2 })
  const digits = placed.map(replicas => replicas.map(id => id.slice(-1)).join(''))
  t.is(digits.join(' '), '21 04 01 03 32 12 40 30 40 23 32 21')
})
