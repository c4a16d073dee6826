/** A unit for systemd that runs a server which was let into its cluster already. */
import { fileURLToPath } from 'node:url'

/** From the sources and from what was compiled alike. */
function launcher(): string {
  const here = fileURLToPath(new URL('.', import.meta.url))
  return here.replace(/(dist\/)?cli\/$/, 'rookery')
}

/** @param metaDir absolute, as `dataDir`. */
export function systemdUnit(metaDir: string, dataDir: string, program = launcher()): string {
  return `[Unit]
Description=Rookery server on ${dataDir}
Wants=network-online.target
After=network-online.target
RequiresMountsFor=${quoted(metaDir)} ${quoted(dataDir)}

[Service]
ExecStart=${quoted(program)} server --meta-dir ${quoted(metaDir)}
Restart=on-failure
RestartSec=2
TimeoutStopSec=30
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`
}

/** systemd.syntax(7), systemd.service(5): percent and dollar signs mean something to it. */
function quoted(path: string): string {
  const escaped = path.replaceAll('%', '%%').replaceAll('$', '$$$$')
  if (/^[\w./%$+:@-]+$/.test(escaped)) return escaped
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
