/** Clients that ask in the clear are told where they may ask otherwise (RFC 9462). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askDig, dig } from "../support/clients/dig.ts"
import { freePort } from "../support/machine/ports.ts"
import { startServer } from "../support/servers/server.ts"
import { certificateFor } from "../support/servers/tls-terms.ts"

const told = (listen: string, names: ReadonlyArray<string>, settings: Record<string, string> = {}, type = "SVCB") =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-discovery-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const pair = certificateFor(...names)
    const [certificate, key] = [join(folder, "dns.pem"), join(folder, "dns.key")]
    writeFileSync(certificate, pair.certificate)
    writeFileSync(key, pair.key)
    const server = yield* startServer({
      DNS_SERVER_UPSTREAMS: "192.0.2.53",
      DNS_SERVER_LISTEN: `127.0.0.1:0,${listen}`,
      DNS_SERVER_TLS_CERTIFICATE_FILE: certificate,
      DNS_SERVER_TLS_KEY_FILE: key,
      ...settings
    })
    return (yield* askDig(server.port, ["+noall", "+answer", "+comments", "_DNS.resolver.arpa", type]))
      .split("\n")
      .filter((line) => /SVCB|status/.test(line))
      .map((line) => line.replaceAll(/\s+/g, " "))
  })

describe.skipIf(dig === undefined)("the resolver that clients are told of", () => {
  it.live("has the name of the certificate, and the ports and the path of its listeners", () =>
    Effect.gen(function* () {
      const [tls, https] = [yield* freePort, yield* freePort]
      const listen = `tls://127.0.0.1:${tls},https://127.0.0.1:${https}/ask`
      const lines = yield* told(listen, ["*.dns.example", "dns.example"])
      assert.lengthOf(lines, 3)
      assert.include(lines[0], "NOERROR")
      assert.include(lines[1], `_DNS.resolver.arpa. 300 IN SVCB 1 dns.example. alpn="dot" port=${tls}`)
      assert.include(lines[2], `_DNS.resolver.arpa. 300 IN SVCB 2 dns.example. alpn="h2" port=${https}`)
      assert.match(lines[2]!, /(?:dohpath|key7)="\/ask\{\?dns\}"/)
    })
  )

  it.live(
    "is none where nothing is encrypted, where a certificate is for no name, for other types, or by setting",
    () =>
      Effect.gen(function* () {
        for (const asked of [
          told("http://127.0.0.1:0", ["dns.example"]),
          told("tls://127.0.0.1:0", ["*.dns.example"]),
          told("tls://127.0.0.1:0", ["127.0.0.1"]),
          told("tls://127.0.0.1:0", ["dns.example"], {}, "A"),
          told("tls://127.0.0.1:0", ["dns.example"], {
            DNS_SERVER_SPECIAL_NAMES: "none",
            DNS_SERVER_QUERY_TIMEOUT_SECS: "0.2"
          })
        ]) {
          const lines = yield* asked
          assert.lengthOf(lines, 1, lines.join("\n"))
        }
      })
  )
})
