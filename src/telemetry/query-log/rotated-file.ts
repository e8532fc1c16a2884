/**
 * A file that is put aside when it is large or old, compressed, and begun anew; so many old ones are kept.
 *
 * A disk that is full, a folder that is gone, an error of the device: what was to be written is lost, the file ends with
 * the last query that is whole, and a second later it is tried again. A file that was moved away or removed is begun anew.
 */
import {
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import type { Rotation } from "./plan.ts"

/** What is in the file, and what stands at its ends. */
export interface Framing {
  readonly header: Uint8Array
  readonly trailer: Uint8Array
  /** Whether more may follow in a file that was closed. */
  readonly isAppended: boolean
}

/** Queries as they are written, one behind the other. */
export interface Chunk {
  readonly octets: Uint8Array
  /** How many queries end within the first `end` octets, and where the last of them ends. */
  readonly wholeIn: (end: number) => { readonly queries: number; readonly end: number }
}

export interface Written {
  readonly queries: number
  /** Why the rest is lost; undefined where nothing is. */
  readonly error: string | undefined
}

const RETRY_MS = 1_000

/** Never waits: a pipe that nobody reads is an error. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY
const MODE = 0o640

interface Open {
  readonly fd: number
  /** Which file it is; undefined for a pipe or a device, which is neither put aside nor looked after. */
  readonly inode: number | undefined
  readonly bornMs: number
  size: number
}

export class RotatedFile {
  private readonly path: string
  private readonly rotation: Rotation
  private readonly framing: Framing
  private open: Open | undefined
  private retryMs = 0
  private error: string | undefined
  private lookedMs = 0
  /** What is being compressed, one file after the other. */
  private compressing: Promise<void> = Promise.resolve()
  private isClosed = false

  constructor(path: string, rotation: Rotation, framing: Framing) {
    this.path = path
    this.rotation = rotation
    this.framing = framing
    this.removeUnfinished()
  }

  /** Writes all of it, or as many queries as can be written. */
  write(chunk: Chunk): Written {
    const nowMs = Date.now()
    try {
      const open = this.ready(nowMs, chunk.octets.length)
      return open === undefined ? { queries: 0, error: this.error } : this.append(open, chunk)
    } catch (cause) {
      return { queries: 0, error: this.fail(cause) }
    }
  }

  /** What there is to do without a query: it is time, or the file is not there. Says what is wrong. */
  look(): string | undefined {
    const nowMs = Date.now()
    if (nowMs - this.lookedMs < RETRY_MS) return this.error
    try {
      this.ready(nowMs, 0)
    } catch (cause) {
      this.fail(cause)
    }
    return this.error
  }

  close(): void {
    this.isClosed = true
    this.finish()
  }

  /** The file to write to; undefined while it is too early to try again. */
  private ready(nowMs: number, octets: number): Open | undefined {
    if (this.open === undefined && nowMs < this.retryMs) return undefined
    if (nowMs - this.lookedMs >= RETRY_MS) {
      this.lookedMs = nowMs
      if (this.open?.inode !== undefined) this.compare(this.open)
    }
    this.open ??= this.begin(nowMs)
    if (this.open.inode !== undefined && this.isDue(this.open, nowMs, octets)) {
      this.putAside(nowMs)
      this.open = this.begin(nowMs)
    }
    this.error = undefined
    return this.open
  }

  /** Another program may have moved the file away, or cut it. */
  private compare(open: Open): void {
    const found = statSync(this.path, { throwIfNoEntry: false })
    if (found?.ino === open.inode) open.size = found!.size
    else this.finish()
  }

  private isDue({ size, bornMs }: Open, nowMs: number, octets: number): boolean {
    if (size <= this.framing.header.length) return false
    return size + octets > this.rotation.maxOctets || nowMs - bornMs >= this.rotation.maxAgeMs
  }

  private begin(nowMs: number): Open {
    const { header, isAppended } = this.framing
    let open = openAt(this.path)
    if (!isAppended && open.size > 0 && open.inode !== undefined) {
      closeSync(open.fd)
      this.putAside(nowMs)
      open = openAt(this.path)
    }
    if (open.size === 0 && header.length > 0) {
      try {
        writeSync(open.fd, header)
        open.size = header.length
      } catch (cause) {
        truncate(open)
        closeSync(open.fd)
        throw cause
      }
    }
    return open
  }

  private append(open: Open, { octets, wholeIn }: Chunk): Written {
    let done = 0
    try {
      while (done < octets.length) done += writeSync(open.fd, octets, done)
      open.size += done
      return { queries: wholeIn(done).queries, error: undefined }
    } catch (cause) {
      const { queries, end } = wholeIn(done)
      open.size += end
      // What comes next begins where the last whole one ends.
      truncate(open)
      return { queries, error: this.fail(cause) }
    }
  }

  private fail(cause: unknown): string {
    const { code, message } = cause as NodeJS.ErrnoException
    this.error = code ?? message
    this.retryMs = Date.now() + RETRY_MS
    this.finish()
    return this.error
  }

  /** Closes the file with what stands at its end. */
  private finish(): void {
    const { open } = this
    if (open === undefined) return
    this.open = undefined
    const { trailer } = this.framing
    try {
      if (trailer.length > 0 && writeSync(open.fd, trailer) < trailer.length) truncate(open)
    } catch {
      truncate(open)
    } finally {
      closeSync(open.fd)
    }
  }

  private putAside(nowMs: number): void {
    this.finish()
    const aside = this.freeName(nowMs)
    renameSync(this.path, aside)
    // At once: compressing may be slower than what is written.
    this.removeOld()
    this.compressing = this.compressing.then(() => this.compress(aside))
  }

  private freeName(nowMs: number): string {
    for (let ms = nowMs; ; ms++) {
      const name = `${this.path}.${stampOf(ms)}`
      if (inodeAt(name) === undefined && inodeAt(`${name}.gz`) === undefined) return name
    }
  }

  /** What cannot be compressed is kept as it is. */
  private async compress(aside: string): Promise<void> {
    if (!this.isClosed && existsSync(aside)) {
      const unfinished = `${aside}.gz.part`
      try {
        await pipeline(createReadStream(aside), createGzip(), createWriteStream(unfinished, { mode: MODE }))
        renameSync(unfinished, `${aside}.gz`)
        rmSync(aside, { force: true })
      } catch {
        rmSync(unfinished, { force: true })
      }
    }
    this.removeOld()
  }

  private removeOld(): void {
    const old = this.putAsideBefore(/^\.\d{8}T\d{9}Z(\.gz)?$/).sort()
    this.remove(old.slice(0, Math.max(0, old.length - this.rotation.keep)))
  }

  /** What a process that was killed was compressing. */
  private removeUnfinished(): void {
    this.remove(this.putAsideBefore(/^\.\d{8}T\d{9}Z\.gz\.part$/))
  }

  private putAsideBefore(ending: RegExp): Array<string> {
    const name = basename(this.path)
    try {
      return readdirSync(dirname(this.path)).filter(
        (file) => file.startsWith(name) && ending.test(file.slice(name.length))
      )
    } catch {
      return []
    }
  }

  private remove(files: ReadonlyArray<string>): void {
    for (const file of files) {
      try {
        rmSync(join(dirname(this.path), file), { force: true })
      } catch {
        // Whoever may not remove it keeps one more.
      }
    }
  }
}

/** `20261126T105512123Z`: in the order of their names they are in the order of their times. */
const stampOf = (ms: number): string => new Date(ms).toISOString().replace(/[-:.]/g, "")

const openAt = (path: string): Open => {
  const fd = openSync(path, FLAGS, MODE)
  const { ino, size, birthtimeMs, ctimeMs } = fstatSync(fd)
  const isFile = fstatSync(fd).isFile()
  return {
    fd,
    inode: isFile ? ino : undefined,
    bornMs: birthtimeMs > 0 ? birthtimeMs : ctimeMs,
    size: isFile ? size : 0
  }
}

const truncate = ({ fd, inode, size }: Open): void => {
  if (inode === undefined) return
  try {
    ftruncateSync(fd, size)
  } catch {
    // A device that takes neither.
  }
}

const inodeAt = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino
