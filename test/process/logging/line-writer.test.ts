import { assert, describe, it } from "@effect/vitest"
import { LineWriter, MAX_WAITING_OCTETS } from "../../../src/process/logging/line-writer.ts"

/** What lines are written to: it takes so many octets, then says why it takes no more. */
class Sink {
  written = ""
  calls = 0
  room = Number.POSITIVE_INFINITY
  code = "EAGAIN"
  readonly write = (octets: Uint8Array): number => {
    this.calls++
    const taken = Math.min(this.room, octets.length)
    if (taken === 0) throw Object.assign(new Error("no"), { code: this.code })
    this.room -= taken
    this.written += Buffer.from(octets.subarray(0, taken)).toString()
    return taken
  }
}

const writerTo = (sink: Sink): LineWriter => new LineWriter(sink.write, (lines, reason) => `lost ${lines}: ${reason}`)

describe("lines to standard output", () => {
  it("are written at once and whole, however few octets are taken at a time", () => {
    const sink = new Sink()
    const lines = writerTo({ ...sink, write: (octets) => sink.write(octets.subarray(0, 3)) } as Sink)
    lines.line("the first line")
    lines.line("and another")
    assert.strictEqual(sink.written, "the first line\nand another\n")
  })

  it("wait for a slow reader in their order, without a system call each", async () => {
    const sink = new Sink()
    const lines = writerTo(sink)
    sink.room = 4
    lines.line("one line")
    const { calls } = sink
    for (let i = 0; i < 100; i++) lines.line(`line ${i}`)
    assert.strictEqual(sink.calls, calls)
    assert.strictEqual(sink.written, "one ")
    sink.room = Number.POSITIVE_INFINITY
    await lines.drain(0)
    assert.strictEqual(sink.written, `one line\n${Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join("")}`)
  })

  it("that find no room behind a reader that never reads are lost, and their number is said when it reads", async () => {
    const sink = new Sink()
    const lines = writerTo(sink)
    sink.room = 0
    const line = "x".repeat(1023)
    const fitting = MAX_WAITING_OCTETS / 1024
    for (let i = 0; i < fitting + 25; i++) lines.line(line)
    sink.room = Number.POSITIVE_INFINITY
    await lines.drain(0)
    assert.strictEqual(sink.written, `${`${line}\n`.repeat(fitting)}lost 25: its reader is slow\n`)
  })

  for (const code of ["EPIPE", "ENOSPC", "EIO", "EDQUOT", "EBADF"]) {
    it(`are lost on ${code}, and their number is said before the next that is written`, () => {
      const sink = new Sink()
      const lines = writerTo(sink)
      sink.room = 0
      sink.code = code
      for (let i = 0; i < 7; i++) lines.line(`line ${i}`)
      sink.room = Number.POSITIVE_INFINITY
      lines.line("again")
      lines.line("and again")
      assert.strictEqual(sink.written, `lost 7: ${code}\nagain\nand again\n`)
    })
  }

  it("that say what is lost are not lost for the count when they cannot be written", () => {
    const sink = new Sink()
    const lines = writerTo(sink)
    sink.room = 0
    sink.code = "ENOSPC"
    lines.line("one")
    // Room for what says so, and none for the line behind it.
    sink.room = "lost 1: ENOSPC\n".length
    lines.line("two")
    sink.room = 0
    lines.line("three")
    sink.room = Number.POSITIVE_INFINITY
    lines.line("four")
    assert.strictEqual(sink.written, "lost 1: ENOSPC\nlost 2: ENOSPC\nfour\n")
  })

  it("cut by a full disk are written to their end when there is room", () => {
    const sink = new Sink()
    const lines = writerTo(sink)
    sink.room = 5
    sink.code = "ENOSPC"
    lines.line("cut in two")
    lines.line("lost")
    sink.room = Number.POSITIVE_INFINITY
    lines.line("next")
    assert.strictEqual(sink.written, "cut in two\nlost 1: ENOSPC\nnext\n")
  })

  it("at the end wait no longer than they are given", async () => {
    const sink = new Sink()
    const lines = writerTo(sink)
    sink.room = 0
    lines.line("nobody reads this")
    await lines.drain(30)
    assert.strictEqual(sink.written, "")
  })
})
