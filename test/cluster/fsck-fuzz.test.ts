/** Whatever is damaged, a check comes to its end, and a repair leaves only what is lost. */
import test from 'ava'
import { chance } from '../posix/bytes.ts'
import { Disks, startFilled } from './damaged-cluster.ts'

const seeds = process.env.FSCK_SEED?.split(',').map(Number) ?? [1, 2, 3, 4, 5, 6]
/** What a server reads before it serves is not damaged: with that, it does not start. Nor what names clients,
 * which are others in every run. */
const kinds = ['b', 'c', 'd', 'e', 'i', 'o', 'p', 'x', 'y']

for (const seed of seeds) {
  test(`random damage is found and repaired as far as it can be (seed ${seed})`, async t => {
    await using cluster = await startFilled()
    const next = chance(seed)
    const changed: string[] = []
    await cluster.damage(async all => {
      const disks = await Disks.read(all)
      const keys = kinds.flatMap(kind => disks.keysOf(kind)).sort()
      for (let count = 1 + next(6); count > 0; count--) {
        const key = keys[next(keys.length)]!
        const value = Buffer.from(disks.value(key))
        const how = next(5)
        changed.push(`${Buffer.from(key, 'latin1').toString('hex')} ${key[2]} ${how}`)
        if (how === 0) await disks.put(key, null)
        else if (how === 1) await disks.put(key, value.subarray(0, next(value.length + 1)))
        else if (how === 2) disks.decay(key)
        else if (how === 3) await disks.put(key, disks.value(keys[next(keys.length)]!))
        else if (value.length > 0) {
          value[next(value.length)]! ^= 1 << next(8)
          await disks.put(key, value)
        }
      }
    })
    t.log(changed)
    await cluster.check({ data: true })
    const repaired = await cluster.check({ data: true, repair: true })
    t.log(JSON.stringify(repaired.findings))
    const { findings, undecided } = await cluster.check({ data: true })
    t.is(undecided, 0)
    t.deepEqual(
      findings.filter(({ outcome }) => outcome !== 'lost'),
      [],
    )
    // The volume itself may have lost its name.
    const files = await cluster.connect().catch(() => cluster.connect('lost-found'))
    await files.mkdir('/afterwards')
    await files.writeFile('/afterwards/file', 'it goes on')
    t.is(await files.readFile('/afterwards/file', 'utf8'), 'it goes on')
  })
}
