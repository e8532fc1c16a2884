/** The examples of the documentation are what the server reads. */
import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileKey, settingInfo, settingNames, variableName } from "../../src/config/schema/settings.ts"
import { geoLiteFile } from "../support/external/geolite.ts"
import { fileWith } from "../support/machine/files.ts"
import { loaded, UPSTREAM } from "../support/servers/loading.ts"

const PAGES = ["configuration", "upstreams", "upstream-policies", "local-answers", "geography", "query-log", "defence"]

const examplesIn = (page: string): ReadonlyArray<string> =>
  [...readFileSync(`docs/${page}.md`, "utf8").matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => text!)

const wordsIn = (cell: string): ReadonlyArray<string> => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!)

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

  it("has a row for each setting, with its variable and what it is by default", () => {
    // Behind it stands what happens when each of them changes.
    const [page] = readFileSync("docs/configuration.md", "utf8").split("## Changing it while the server runs", 1)
    /** Settings of a row, their variables where they are named, and what they are by default. */
    const rows = [...page!.matchAll(/^\| ((?:`[a-z0-9_]+`(?:, )?)+)(?:<br>(.*?))? \| (.*?) \|/gm)]
    const found = new Map(
      rows.flatMap(([, keys, variables = "", byDefault]) =>
        wordsIn(keys!).map((key, i) => [key, { variable: wordsIn(variables)[i], byDefault: byDefault! }] as const)
      )
    )
    for (const name of settingNames) {
      const row = found.get(fileKey(name))
      assert.isDefined(row, name)
      assert.include([undefined, variableName(name)], row!.variable, name)
      if (row!.byDefault.startsWith("as ")) continue
      for (const value of (settingInfo[name].default ?? "").split(",")) {
        if (value !== "") assert.include(row!.byDefault, `\`${value}\``, name)
      }
    }
  })

  it("names only tests that there are in the threat model", () => {
    const page = readFileSync("docs/threat-model.md", "utf8")
    let folder = ""
    const named = [...page.matchAll(/`((?:test\/)?[\w/.-]+)`/g)].map(([, path]) => path!)
    const tests = named.filter((path) => path.startsWith("test/") || path.endsWith(".test.ts"))
    assert.isAbove(tests.length, 25)
    for (const path of tests) {
      if (path.startsWith("test/")) folder = path.endsWith(".ts") ? path.slice(0, path.lastIndexOf("/")) : path
      const file = path.startsWith("test/") ? path : `${folder}/${path}`
      assert.isTrue(existsSync(file), file)
    }
  })
})
