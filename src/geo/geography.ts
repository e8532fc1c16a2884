/**
 * Where addresses are, by a MaxMind database that is read again when its file changes.
 *
 * The file is checked every few seconds: that detects a file that was overwritten and one that another was renamed to,
 * on every file system. A new database is used when the file has stopped changing and can be read; until then the old
 * one serves, and the problem is logged once. The database is in memory that threads share: one thread follows the
 * file, all look locations up.
 */
import { Context, Effect, Layer, type Scope, Semaphore } from "effect"
import { withOpenFile } from "../io/bounded-file.ts"
import { fileSignature } from "../io/file-signature.ts"
import { messageOf } from "../runtime/error-text.ts"
import { sharedMemoryReleased } from "../runtime/released-memory.ts"
import { GeoDatabase } from "./database.ts"
import { type Location, unknownLocation } from "./location.ts"

const LOOK_EVERY = "2 seconds"
/** The largest databases have some hundred MiB; a slow disk may take its time. */
const BOUNDS = { maxOctets: 2 ** 31, withinMs: 60_000, onlyFiles: true }

export class Geography extends Context.Service<
  Geography,
  {
    /**
     * The location of an address.
     *
     * @param words the address as `Peer.readWords` gives it
     */
    readonly locationOf: (words: Uint32Array, isIPv4: boolean) => Location
    /** Counts the databases that were taken: what was looked up in an earlier one is out of date. */
    readonly generation: () => number
    /** Looks at the file now. Done by itself every few seconds. */
    readonly look: Effect.Effect<void>
  }
>()("strand/geo/Geography") {
  /** For a server that needs no location. */
  static readonly none: Layer.Layer<Geography> = Layer.succeed(Geography, {
    locationOf: () => unknownLocation,
    generation: () => 0,
    look: Effect.void
  })

  /** By the database that `current` gives at each lookup. */
  static readonly over = (current: () => Locations, look: Effect.Effect<void> = Effect.void): Geography["Service"] =>
    Geography.of({
      locationOf: (words, isIPv4) => current().locationOf(words, isIPv4),
      generation: () => current().generation,
      look
    })
}

let generations = 0

/** The locations of one thread, by the database that it was given last. */
export class Locations {
  /** Tells one database from another, of these places or of others. */
  generation = ++generations
  private database: GeoDatabase | undefined
  private memory: SharedArrayBuffer | undefined

  constructor(memory: SharedArrayBuffer | undefined) {
    this.use(memory)
  }

  /** Has places looked up in this database from now on; undefined is none, which knows no place. */
  use(memory: SharedArrayBuffer | undefined): void {
    if (memory === this.memory) return
    if (this.memory !== undefined) sharedMemoryReleased()
    this.memory = memory
    this.database = memory === undefined ? undefined : new GeoDatabase(Buffer.from(memory))
    this.generation = ++generations
  }

  locationOf(words: Uint32Array, isIPv4: boolean): Location {
    return this.database?.locationOf(words, isIPv4) ?? unknownLocation
  }
}

/**
 * Follows the file for as long as the scope lives, from its first reading on.
 *
 * @param needs what it is asked for: that it does not say so is told
 * @param adopt takes each database; where it fails, the one before serves, and it is tried again
 * @returns looks at the file now
 */
export const followDatabase = (
  file: string,
  needs: () => Needs,
  adopt: (memory: SharedArrayBuffer) => Effect.Effect<void, Error>
): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const followed = new FollowedFile(file, needs, adopt)
    yield* followed.takeFirst
    yield* Effect.forkScoped(Effect.forever(Effect.delay(followed.look, LOOK_EVERY)))
    return followed.look
  })

/** What locations are looked up for. */
export interface Needs {
  readonly continents: boolean
  readonly coordinates: boolean
}

class FollowedFile {
  private readonly file: string
  private readonly needs: () => Needs
  private readonly adopt: (memory: SharedArrayBuffer) => Effect.Effect<void, Error>
  private hasOne = false
  /** Of the file that was taken, or refused, last. */
  private settled = ""
  /** As the file was seen last. */
  private seen = ""

  constructor(file: string, needs: () => Needs, adopt: (memory: SharedArrayBuffer) => Effect.Effect<void, Error>) {
    this.file = file
    this.needs = needs
    this.adopt = adopt
  }

  readonly takeFirst: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(fileSignature(this.file), (signature) => {
      this.seen = signature
      return this.take(signature)
    })
  )

  /** One look after the other. */
  readonly look: Effect.Effect<void> = Semaphore.makeUnsafe(1).withPermits(1)(
    Effect.suspend(() =>
      Effect.flatMap(fileSignature(this.file), (signature) => {
        const isStill = signature === this.seen
        this.seen = signature
        return isStill && signature !== this.settled ? this.take(signature) : Effect.void
      })
    )
  )

  private take(signature: string): Effect.Effect<void> {
    this.settled = signature
    const adopted = Effect.tap(this.open, ({ memory }) =>
      Effect.mapError(this.adopt(memory), (error) => {
        this.settled = ""
        return error.message
      })
    )
    return Effect.matchEffect(adopted, {
      onSuccess: ({ database }) => {
        this.hasOne = true
        const { continents, coordinates } = database.tells
        const needs = this.needs()
        const missing = [
          ...(needs.continents && !continents ? ["continents: rules with continent: hold for nobody"] : []),
          ...(needs.coordinates && !coordinates
            ? ["coordinates: the policy geo goes by those that are written, or by speed"]
            : [])
        ]
        return Effect.andThen(
          Effect.logInfo(`places are those of ${this.file}`, {
            kind: database.kind,
            built: database.built.toISOString().slice(0, 10)
          }),
          Effect.forEach(missing, (what) => Effect.logWarning(`${this.file} has no ${what}`), { discard: true })
        )
      },
      onFailure: (message) =>
        Effect.logError(
          this.hasOne
            ? `places stay as they were: ${this.file} cannot be read: ${message}`
            : `no places are known: ${this.file} cannot be read: ${message}`
        )
    })
  }

  private readonly open = Effect.suspend(() =>
    Effect.flatMap(Effect.mapError(readShared(this.file), messageOf), (memory) =>
      Effect.try({
        try: () => ({ memory, database: new GeoDatabase(Buffer.from(memory)) }),
        catch: (cause) => `it is no MaxMind database, or not all of one (${messageOf(cause)})`
      })
    )
  )
}

/** The whole file, in memory that threads can share. */
const readShared = (path: string) =>
  withOpenFile(path, BOUNDS, async (handle, { size }) => {
    const memory = new SharedArrayBuffer(size)
    const octets = Buffer.from(memory)
    for (let read = 0; read < size; ) {
      const { bytesRead } = await handle.read(octets, read, size - read, read)
      if (bytesRead === 0) throw new Error("it became shorter while it was read")
      read += bytesRead
    }
    return memory
  })
