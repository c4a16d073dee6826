/** `rookery cat`: writes a file of a volume to standard output. */
import type { Command } from 'commander'
import { parseVolumePath, type VolumePath } from './arguments.ts'
import { fileCommand, pathText, withVolume } from './file-command.ts'
import type { ClusterOptions } from './options.ts'
import { print } from './output.ts'

const readBytes = 1024 * 1024

export function catCommand(): Command {
  return fileCommand('cat', 'Write a file to standard output.', 'rookery cat films:/a.mkv | mpv -')
    .argument('<path>', pathText, parseVolumePath)
    .action(cat)
}

async function cat(path: VolumePath, options: ClusterOptions): Promise<void> {
  await withVolume(path, options, async tree => {
    const file = await tree.open(path.path, 'r')
    try {
      for (let position = 0; ; ) {
        // Fresh each time: stdout may hold on to what it was given.
        const buffer = new Uint8Array(readBytes)
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
        if (bytesRead === 0) return
        position += bytesRead
        if (!(await print(buffer.subarray(0, bytesRead)))) return
      }
    } finally {
      await file.close()
    }
  })
}
