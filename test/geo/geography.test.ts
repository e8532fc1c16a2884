import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { followDatabase, Geography, Locations } from "../../src/geo/geography.ts"
import { city, geoDatabase } from "../support/wire/mmdb.ts"

const inCountry = (country: string): Buffer =>
  geoDatabase({ "192.0.2.0/24": city(country, "EU", 50, 10), "8.0.0.0/8": city("US", "NA", 38, -97) })

/**
 * Gives the country of one address, what was logged, and a look at the file; one look sees a change, the next takes it.
 */
const following = <A>(
  use: (tools: {
    readonly file: string
    readonly country: () => string
    readonly lines: ReadonlyArray<string>
    readonly look: Effect.Effect<void>
  }) => Effect.Effect<A>,
  first: Buffer | undefined
) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-geo-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true }))
    )
    const file = join(folder, "places.mmdb")
    if (first !== undefined) writeFileSync(file, first)
    const lines: Array<string> = []
    const log = Logger.layer([Logger.make(({ message }) => lines.push(String([message].flat()[0])))])
    const locations = new Locations(undefined)
    const needs = () => ({ continents: true, coordinates: true })
    const followed = followDatabase(file, needs, (memory) => Effect.sync(() => locations.use(memory)))
    const geography = Geography.over(() => locations, yield* Effect.provide(followed, log))
    const words = Uint32Array.of(0, 0, 0, 0xc0000201)
    const look = Effect.provide(Effect.andThen(geography.look, geography.look), log)
    return yield* use({ file, lines, look, country: () => geography.locationOf(words, true).country })
  }).pipe(Effect.scoped)

describe("Geography", () => {
  it.effect("takes the file that another is renamed to, and one that is written over", () =>
    following(
      ({ file, country, look }) =>
        Effect.gen(function* () {
          assert.strictEqual(country(), "DE")
          writeFileSync(`${file}.new`, inCountry("FR"))
          renameSync(`${file}.new`, file)
          yield* look
          assert.strictEqual(country(), "FR")
          writeFileSync(file, geoDatabase({ "192.0.0.0/16": city("AT", "EU", 48, 16) }))
          yield* look
          assert.strictEqual(country(), "AT")
        }),
      inCountry("DE")
    )
  )

  it.live("waits for no pipe and reads no device in the file's place: it says so, and stays with what it has", () =>
    following(
      ({ file, country, lines, look }) =>
        Effect.gen(function* () {
          unlinkSync(file)
          assert.strictEqual(spawnSync("mkfifo", [file]).status, 0)
          yield* look
          assert.include(lines.at(-1), "it is no regular file")
          unlinkSync(file)
          symlinkSync("/dev/zero", file)
          yield* look
          assert.include(lines.at(-1), "it is no regular file")
          assert.strictEqual(country(), "DE")
        }),
      inCountry("DE")
    )
  )

  it.effect("stays with what it has while the file is half-written, damaged or gone, and says so once", () =>
    following(
      ({ file, country, lines, look }) =>
        Effect.gen(function* () {
          const whole = inCountry("FR")
          for (const spoil of [
            () => writeFileSync(file, whole.subarray(0, 700)),
            () => writeFileSync(file, "nothing of the kind"),
            () => unlinkSync(file)
          ]) {
            const said = lines.length
            spoil()
            for (let times = 0; times < 5; times++) yield* look
            assert.strictEqual(country(), "DE")
            assert.strictEqual(lines.length, said + 1)
            assert.include(lines.at(-1)!, "places stay as they were")
          }
          writeFileSync(file, whole)
          yield* look
          assert.strictEqual(country(), "FR")
        }),
      inCountry("DE")
    )
  )

  it.effect("does not take a file that is still changing", () =>
    following(
      ({ file, country }) =>
        Effect.gen(function* () {
          writeFileSync(file, inCountry("FR"))
          assert.strictEqual(country(), "DE")
        }),
      inCountry("DE")
    )
  )

  it.effect("says what it is asked for and the file does not have", () =>
    following(
      ({ lines }) =>
        Effect.sync(() => {
          assert.include(lines[1]!, "has no continents")
          assert.include(lines[2]!, "has no coordinates")
        }),
      geoDatabase({ "8.0.0.0/8": { country_code: "US" } })
    )
  )

  it.effect("knows no place without a file, says so, and takes it when it comes", () =>
    following(
      ({ file, country, lines, look }) =>
        Effect.gen(function* () {
          assert.strictEqual(country(), "")
          assert.include(lines[0]!, "no places are known")
          writeFileSync(file, inCountry("DE"))
          yield* look
          assert.strictEqual(country(), "DE")
        }),
      undefined
    )
  )

  it.effect("takes no pipe and no device for a database, and goes on with what it has", () =>
    following(
      ({ file, country, lines, look }) =>
        Effect.gen(function* () {
          for (const make of [() => symlinkSync("/dev/zero", file), () => execFileSync("mkfifo", [file])]) {
            unlinkSync(file)
            make()
            yield* look
            assert.strictEqual(country(), "DE")
            assert.include(lines.at(-1), "it is no regular file")
          }
        }),
      inCountry("DE")
    )
  )
})
