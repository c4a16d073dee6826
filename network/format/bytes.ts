/** Sizes as people read them. */

/** `1.5 MiB`; whole bytes below 1 KiB. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let index = 0
  while (value >= 1024 && index < names.length - 1) {
    value /= 1024
    index++
  }
  const digits = index === 0 || Number.isInteger(value) || value >= 100 ? 0 : 1
  return `${value.toFixed(digits)} ${names[index]}`
}
