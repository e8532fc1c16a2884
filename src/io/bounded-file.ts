/**
 * Reads files that the configuration names, within a limit of size and one of time.
 *
 * A pipe or a device (`/dev/stdin`, a process substitution) is read like a file, unless only a regular file will do. It
 * is opened without waiting for its other side: a pipe without a writer and a device without an end cost the time limit
 * or the size limit, and block no thread.
 */
import { constants } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect, Schema } from "effect"
import { messageOf } from "../runtime/error-text.ts"

export interface Bounds {
  readonly maxOctets: number
  readonly withinMs: number
  /** Whether pipes and devices are refused. */
  readonly onlyFiles?: boolean
}

/** Why a file could not be read: the message stands behind the file's name. */
export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

/** Until a pipe that has nothing for now is read again. */
const LOOK_EVERY_MS = 10
const PIECE_SIZE = 64 * 1024

/** All that is in the file. The time is the machine's: no test's clock moves it. */
export const readBounded = (path: string, bounds: Bounds): Effect.Effect<Buffer, FileUnreadable> =>
  withOpenFile(path, bounds, (handle, kind, isOver) => readAll(handle, kind, bounds, isOver))

/** The last octets of a file, at most so many. */
export const readEnd = (path: string, octets: number, withinMs: number): Effect.Effect<Buffer, FileUnreadable> =>
  withOpenFile(path, { maxOctets: Number.MAX_SAFE_INTEGER, withinMs, onlyFiles: true }, async (handle, { size }) => {
    const end = Buffer.alloc(Math.min(size, octets))
    const { bytesRead } = await handle.read(end, 0, end.length, size - end.length)
    return end.subarray(0, bytesRead)
  })

/** Opens the file, and closes it when it was read: for what is read into memory of another kind. */
export const withOpenFile = <A>(
  path: string,
  bounds: Bounds,
  read: (handle: FileHandle, kind: Kind, isOver: () => boolean) => Promise<A>
): Effect.Effect<A, FileUnreadable> =>
  Effect.tryPromise({
    try: async (signal) => {
      const until = performance.now() + bounds.withinMs
      const isOver = (): boolean => signal.aborted || performance.now() >= until
      const work = async (): Promise<A> => {
        // Windows has no such flag.
        const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
        try {
          return await read(handle, await kindOf(handle, bounds), isOver)
        } finally {
          await handle.close()
        }
      }
      const limit = new AbortController()
      const tooLate = sleep(bounds.withinMs, undefined, { signal: limit.signal }).then(() => {
        throw new FileUnreadable({ reason: `nothing whole came within ${bounds.withinMs / 1000} s` })
      })
      // The promise that loses the race is not awaited any more.
      tooLate.catch(() => {})
      const whole = work()
      whole.catch(() => {})
      return Promise.race([whole, tooLate]).finally(() => limit.abort())
    },
    catch: (cause) => (cause instanceof FileUnreadable ? cause : new FileUnreadable({ reason: messageOf(cause) }))
  })

interface Kind {
  /** 0 where it is not known. */
  readonly size: number
  /** Whether an end before anything has come may be a writer that has not come yet. */
  readonly isPipe: boolean
}

const kindOf = async (handle: FileHandle, { maxOctets, onlyFiles }: Bounds): Promise<Kind> => {
  const stats = await handle.stat()
  if (stats.isDirectory()) throw new FileUnreadable({ reason: "it is a folder" })
  if (stats.isFile()) {
    if (stats.size > maxOctets) throw tooLarge(maxOctets)
    return { size: stats.size, isPipe: false }
  }
  if (onlyFiles === true) throw new FileUnreadable({ reason: "it is no regular file" })
  return { size: 0, isPipe: stats.isFIFO() }
}

const readAll = async (
  handle: FileHandle,
  { size, isPipe }: Kind,
  { maxOctets, withinMs }: Bounds,
  isOver: () => boolean
): Promise<Buffer> => {
  const pieces: Array<Buffer> = []
  // One more than a file says it has shows its end; what /proc holds says 0.
  let piece = Buffer.allocUnsafe(size === 0 ? PIECE_SIZE : size + 1)
  let total = 0
  for (;;) {
    const read = await readPiece(handle, piece)
    const isWaiting = read === undefined || (read === 0 && isPipe && total === 0)
    if (read === 0 && !isWaiting) return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, total)
    if (isOver()) {
      throw new FileUnreadable({
        reason: `${total === 0 ? "nothing" : "not all of it"} came within ${withinMs / 1000} s`
      })
    }
    if (isWaiting) {
      await sleep(LOOK_EVERY_MS)
      continue
    }
    total += read
    if (total > maxOctets) throw tooLarge(maxOctets)
    pieces.push(piece.subarray(0, read))
    piece = read < piece.length ? piece.subarray(read) : Buffer.allocUnsafe(PIECE_SIZE)
  }
}

/** How many octets came; 0 at the end, and where a pipe has no writer yet; undefined where there are none for now. */
const readPiece = async (handle: FileHandle, into: Buffer): Promise<number | undefined> => {
  try {
    return (await handle.read(into, 0, into.length, null)).bytesRead
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EAGAIN") return undefined
    throw cause
  }
}

const tooLarge = (maxOctets: number): FileUnreadable =>
  new FileUnreadable({ reason: `it has more than ${sizeText(maxOctets)}` })

const MIB = 1024 * 1024

const sizeText = (octets: number): string => (octets >= MIB ? `${octets / MIB} MiB` : `${octets / 1024} KiB`)
