/** A long array of bytes of which few were ever written: the rest is zeros and takes no memory. */

const pageBytes = 64 * 1024

export class SparseBytes {
  readonly #pages = new Map<number, Uint8Array>()

  read(position: number, target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      const start = (position + done) % pageBytes
      const count = Math.min(target.length - done, pageBytes - start)
      const page = this.#pages.get(Math.floor((position + done) / pageBytes))
      if (page) target.set(page.subarray(start, start + count), done)
      else target.fill(0, done, done + count)
      done += count
    }
  }

  write(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const start = (position + done) % pageBytes
      const count = Math.min(bytes.length - done, pageBytes - start)
      this.#page(Math.floor((position + done) / pageBytes)).set(
        bytes.subarray(done, done + count),
        start,
      )
      done += count
    }
  }

  slice(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.read(position, bytes)
    return bytes
  }

  #page(index: number): Uint8Array {
    let page = this.#pages.get(index)
    if (!page) {
      page = new Uint8Array(pageBytes)
      this.#pages.set(index, page)
    }
    return page
  }
}
