/**
 * Lines to standard output that never wait and never throw: DNS goes on whatever becomes of the log.
 *
 * A reader that is slow: lines wait, up to a megabyte, and those that find no room are lost. A reader that is gone, a
 * full disk, an error of the device: the lines are lost. What is lost is counted, and said in a line of its own as soon
 * as one can be written again.
 *
 * Only one thread of a process writes: lines of several would be cut into each other.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs"
import { isatty } from "node:tty"

/** Octets that wait for a slow reader at most. */
export const MAX_WAITING_OCTETS = 1 << 20
/** A reader that is slow is tried again after so long, one that fails less often. */
const BLOCKED_MS = 50
const FAILED_MS = 1_000
const DRAIN_STEP_MS = 10

/** Writes octets and returns how many were taken; throws the system's error, `EAGAIN` where it would have to wait. */
export type WriteOctets = (octets: Uint8Array) => number

interface Waiting {
  octets: Uint8Array
  /** Lines that are lost with it: itself, or all that it says are lost. */
  readonly lines: number
}

export class LineWriter {
  private readonly write: WriteOctets
  private readonly lossLine: (lines: number, reason: string) => string
  private readonly waiting: Array<Waiting> = []
  private waitingOctets = 0
  /** Whether the first that waits is written in part. */
  private isCut = false
  private isBlocked = false
  private lost = 0
  private reason = ""
  private timer: NodeJS.Timeout | undefined

  /** @param lossLine what is said of lines that were lost */
  constructor(write: WriteOctets, lossLine: (lines: number, reason: string) => string) {
    this.write = write
    this.lossLine = lossLine
  }

  /** Writes the line, or puts it where it waits, or counts it as lost. */
  line(text: string): void {
    const octets = Buffer.from(`${text}\n`)
    if (this.waitingOctets + octets.length > MAX_WAITING_OCTETS) {
      this.lost++
      this.reason = "its reader is slow"
      return
    }
    this.sayLost()
    this.add(octets, 1)
    // While the reader is slow only the timer tries: a line costs no system call then.
    if (!this.isBlocked) this.flush()
  }

  /** Lets what waits be written, for so long at most. */
  async drain(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs
    this.flush()
    while (this.isBlocked && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS))
      this.flush()
    }
    clearTimeout(this.timer)
  }

  private add(octets: Uint8Array, lines: number): void {
    this.waiting.push({ octets, lines })
    this.waitingOctets += octets.length
  }

  private sayLost(): void {
    if (this.lost === 0) return
    this.add(Buffer.from(`${this.lossLine(this.lost, this.reason)}\n`), this.lost)
    this.lost = 0
  }

  private flush(): void {
    this.isBlocked = false
    try {
      for (;;) {
        const first = this.waiting[0]
        if (first === undefined) {
          if (this.lost === 0) return
          this.sayLost()
          continue
        }
        const written = this.write(first.octets)
        this.waitingOctets -= written
        this.isCut = written < first.octets.length
        if (this.isCut) first.octets = first.octets.subarray(written)
        else this.waiting.shift()
      }
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
      if (code === "EAGAIN") this.isBlocked = true
      else this.fail(code)
      this.tryAfter(this.isBlocked ? BLOCKED_MS : FAILED_MS)
    }
  }

  /** All that waits is lost, but for the end of a line that a disk has the beginning of. */
  private fail(code: string): void {
    const kept = this.isCut && code !== "EPIPE" ? this.waiting.shift() : undefined
    for (const { lines } of this.waiting) this.lost += lines
    this.waiting.length = 0
    this.waitingOctets = 0
    this.isCut = kept !== undefined
    if (kept !== undefined) this.add(kept.octets, kept.lines)
    this.reason = code
  }

  private tryAfter(delayMs: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.sayLost()
      this.flush()
    }, delayMs)
    this.timer.unref()
  }
}

/**
 * Writes to standard output without waiting.
 *
 * A pipe or a socket does not block once Node has made its stream, and a terminal is opened anew for that, so that the
 * shell's own stays as it is. Files and devices do not block.
 */
export const writeToStandardOutput = (): WriteOctets => {
  const fd = descriptorFor(process.stdout)
  return (octets) => writeSync(fd, octets)
}

const descriptorFor = ({ fd }: { readonly fd: number }): number => {
  if (!isatty(fd) || !fstatSync(fd).isCharacterDevice()) return fd
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return fd
  }
}

/** Streams of Node's own, to which its warnings go: a reader that is gone is no fault of this process. */
export const guardStandardStreams = (): void => {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
}
