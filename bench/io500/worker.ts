/** One rank on a directory, a process of its own: `worker.ts ROOT RANK RANKS`. */
import { serveRank } from './rank.ts'
import { DirectoryTarget } from './target.ts'

const [root = '', rank = '', ranks = ''] = process.argv.slice(2)
serveRank({ rank: Number(rank), ranks: Number(ranks), target: new DirectoryTarget(root) })
