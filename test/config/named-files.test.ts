import { execFileSync } from "node:child_process"
import { rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decodeSettings } from "../../src/config/configuration.ts"
import { fileWith } from "../support/machine/files.ts"
import { linesOf, loaded, mistakesIn, UPSTREAM } from "../support/servers/loading.ts"
import { authority } from "../support/wire/certificates.ts"

const TLS = { DNS_SERVER_UPSTREAMS: "tls://192.0.2.1#dns.example" }

describe("a file that a setting names", () => {
  it.effect("has an end, or is a mistake: of authorities and of places", () =>
    Effect.gen(function* () {
      const folder = dirname(yield* fileWith(""))
      const pipe = join(folder, "pipe")
      execFileSync("mkfifo", [pipe])
      for (const [path, ofAuthorities, ofPlaces] of [
        ["/dev/zero", "more than 4 MiB", "no regular file"],
        [folder, "it is a folder", "it is a folder"],
        [pipe, "came within 5 s", "no regular file"]
      ] as const) {
        const mistakes = yield* mistakesIn({
          ...TLS,
          DNS_SERVER_TLS_CA_FILE: path,
          DNS_SERVER_GEO_DATABASE: path,
          DNS_SERVER_UPSTREAM_POLICY: "geo"
        })
        assert.deepStrictEqual(
          mistakes.map(({ place }) => place),
          ["DNS_SERVER_TLS_CA_FILE", "DNS_SERVER_GEO_DATABASE"]
        )
        assert.include(mistakes[0]?.expected, ofAuthorities)
        assert.include(mistakes[1]?.expected, ofPlaces)
      }
    })
  )

  it.effect("of authorities is read once: what was read goes on with the settings, into threads too", () =>
    Effect.gen(function* () {
      const { cert } = authority()
      const file = yield* fileWith(`text before\n${cert}\n${cert}`)
      const { settings, written, given } = yield* loaded({ ...TLS, DNS_SERVER_TLS_CA_FILE: file })
      assert.strictEqual(settings.tlsCaFile?.certificates.length, 2)
      assert.strictEqual(given.get("tlsCaFile")?.value, file)
      rmSync(file)
      assert.deepStrictEqual(decodeSettings(structuredClone(written)), settings)
    })
  )

  it.effect("of authorities says which of its certificates is none, and that a key is none", () =>
    Effect.gen(function* () {
      const { cert, key } = authority()
      const broken = cert.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA")
      for (const [text, expected] of [
        [cert + broken, "number 2 cannot"],
        [key, "a private key"],
        ["", "at least one certificate"]
      ] as const) {
        const file = yield* fileWith(text)
        const [mistake] = yield* mistakesIn({ ...TLS, DNS_SERVER_TLS_CA_FILE: file })
        assert.include(mistake?.expected, expected)
      }
    })
  )

  it.effect("hides no other mistake when it cannot be read", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(
        "tls_ca_file: /nowhere\nretries: -1\ncache_min_ttl_secs: 9\ncache_max_ttl_secs: 1\n",
        UPSTREAM
      )
      assert.strictEqual(lines.length, 3)
    })
  )
})
