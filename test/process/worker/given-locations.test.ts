import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Configuration } from "../../../src/config/configuration.ts"
import { followLocations } from "../../../src/process/worker/given-locations.ts"
import { fileWith } from "../../support/machine/files.ts"
import { settingsOf } from "../../support/servers/settings.ts"
import { geoDatabase } from "../../support/wire/mmdb.ts"

const inCountry = (code: string): Buffer => geoDatabase({ "192.0.2.0/24": { country: { iso_code: code } } })

describe("the database of locations that workers are given", () => {
  it.live("is not that of a change that was abandoned", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* fileWith(inCountry("DE"), "one.mmdb"), yield* fileWith(inCountry("FR"), "two.mmdb")]
      const first = { ...settingsOf({ DNS_SERVER_UPSTREAMS: "192.0.2.1" }), geoDatabase: one }
      yield* Effect.gen(function* () {
        const configuration = yield* Configuration
        const locations = yield* followLocations((_memory, own) => own)
        const given = locations.current()
        assert.isDefined(given)
        const abandoned = yield* configuration.prepare({ ...first, geoDatabase: two })
        assert.notStrictEqual(locations.prepared(), given)
        yield* abandoned.abandon
        assert.strictEqual(locations.prepared(), given)
        assert.strictEqual(locations.current(), given)
        const committed = yield* configuration.prepare({ ...first, geoDatabase: two })
        const next = locations.prepared()
        yield* committed.commit
        assert.strictEqual(locations.current(), next)
        assert.strictEqual(locations.prepared(), next)
      }).pipe(Effect.provide(Configuration.layer(first)), Effect.scoped)
    })
  )
})
