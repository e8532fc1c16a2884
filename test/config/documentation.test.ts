/** The examples of the documentation are what the server reads. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { geoLiteFile } from "../support/external/geolite.ts"
import { fileWith } from "../support/machine/files.ts"
import { loaded, UPSTREAM } from "../support/servers/loading.ts"

const PAGES = ["configuration", "upstreams", "upstream-policies", "local-answers", "geography", "query-log"]

const examplesIn = (page: string): ReadonlyArray<string> =>
  [...readFileSync(`docs/${page}.md`, "utf8").matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => text!)

describe("the documentation", () => {
  for (const page of PAGES) {
    it.effect(`has examples in ${page}.md that load as they are`, () =>
      Effect.gen(function* () {
        const examples = examplesIn(page)
        assert.isNotEmpty(examples)
        const environment = { ...UPSTREAM, DNS_SERVER_GEO_DATABASE: geoLiteFile() }
        for (const text of examples) yield* loaded(environment, yield* fileWith(text))
      })
    )
  }
})
