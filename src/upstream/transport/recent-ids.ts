/** The ids of a connection's last answers: one that comes again under one of them was sent twice. */
const SIZE = 256

export class RecentIds {
  private readonly ids = new Uint16Array(SIZE)
  private count = 0

  add(id: number): void {
    this.ids[this.count++ % SIZE] = id
  }

  has(id: number): boolean {
    const at = this.ids.indexOf(id)
    return at >= 0 && at < this.count
  }
}
