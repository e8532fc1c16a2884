/** What describes the configuration: the JSON Schema and the example, made from what reads it. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import { Effect } from "effect"
import { parse } from "yaml"
import { example, SCHEMA_URL } from "../../src/config/describe/example.ts"
import { jsonSchema } from "../../src/config/describe/json-schema.ts"
import { fileKey, settingInfo, settingNames } from "../../src/config/schema/settings.ts"
import { geoLiteFile } from "../support/external/geolite.ts"
import { fileWith } from "../support/machine/files.ts"
import { saidByEditor } from "../support/servers/editor.ts"
import { loaded, mistakesIn, UPSTREAM } from "../support/servers/loading.ts"
import { authority } from "../support/wire/certificates.ts"

const schema = jsonSchema()

/** Files with all that is easily told to be wrong. */
const wrongFiles = [
  "retires: 3",
  "retries: 11",
  "retries: many",
  "workers: 1.5",
  "enable_caching: yes please",
  "cache_size_mb: 64MB",
  "upstream_policy: fastst",
  "listen: []",
  "listen: [localhost]",
  "allow: [any]",
  "failover_rcodes: [NXDOMAIN]",
  "cache: { size_mb: 64 }",
  "redis_url: http://redis.example",
  "trace_sampling: often",
  "upstreams: [{ adress: 192.0.2.1 }]",
  "upstreams: [{ address: 192.0.2.1, protocol: quic }]",
  "upstreams: [{ address: 192.0.2.1, weight: 0 }]",
  "upstreams: [{ address: 192.0.2.1, protocol: https, method: PUT }]",
  "groups: { corp: { upstreams: [10.1.0.1], polcy: ordered } }",
  "groups: { corp: {} }",
  "groups: { a b: 10.1.0.1 }",
  "rules: [{ suffix: corp.example }]",
  "rules: [corp.example]",
  "groups: { corp: 10.1.0.1 }\nrules: [{ suffix: corp.example, country: Germany, group: corp }]",
  "local_answers: [{ name: nas.home, type: CNAME, data: other.home }]",
  "local_answers: [{ name: nas.home, ttl: 999999999, data: 192.0.2.1 }]",
  "local_answers: [{ nmae: nas.home, data: 192.0.2.1 }]"
]

/** And some that only look strange. */
const rightFiles = [
  "retries: 0\nworkers:\nslow_query_ms: ~\n",
  "listen: '127.0.0.1, [::1]:5353'\nallow: 10.0.0.0/8\n",
  "listen: [UDP://127.0.0.1, '[fe80::1%lo]:53', 'fe80::2%lo']\n",
  "upstreams: { address: 192.0.2.1, name: 9 }\n",
  "upstreams: [a=192.0.2.1*3@52.5/13.4, { address: tls://192.0.2.2#dns.example, place: { latitude: 1, longitude: -2.5 } }]\n",
  "groups: { corp: 10.1.0.1 10.1.0.2*3 policy=ordered }\nrules: { suffix: corp.example, group: corp, ecs: 20/48 }\n",
  "groups: [corp=10.1.0.1]\nrules: ['corp.example -> corp', { client: [10.0.0.0/8], group: corp, ecs: true }]\n",
  "local_answers: [nas.home A 192.168.1.7, { name: home, type: mx, data: 10 mail.home }, { name: t.home, text: 1.10 }]\n",
  "failover_rcodes: servfail, REFUSED\notel_timeout: 3000\notel_service_name: 1.10\nspecial_names: none\n"
]

/** The example as it is when everything is set. */
const uncommented = (files: Readonly<Record<"geo" | "ca" | "certificate" | "key", string>>): string =>
  example()
    .replace(/^#(?=[a-z]| {2})/gm, "")
    .replace("/var/lib/GeoIP/GeoLite2-City.mmdb", files.geo)
    .replace("/etc/strand/ca.pem", files.ca)
    .replace("/etc/strand/admin.pem", files.certificate)
    .replace("/etc/strand/admin.key", files.key)

describe("the JSON Schema", () => {
  it("is the one that is shipped: npm run schema writes it anew", () => {
    assert.deepStrictEqual(JSON.parse(readFileSync(SCHEMA_URL, "utf8")), JSON.parse(JSON.stringify(schema)))
  })

  it("is a schema, and has each setting with its meaning and its default", () => {
    assert.isTrue(new Ajv({ strict: false }).validateSchema(schema))
    const properties = schema["properties"] as Record<
      string,
      { readonly description: string; readonly default?: unknown }
    >
    assert.deepStrictEqual(Object.keys(properties), settingNames.map(fileKey))
    for (const name of settingNames) {
      const { description, ...rest } = properties[fileKey(name)]!
      assert.include(description.toLowerCase(), settingInfo[name].meaning.toLowerCase())
      assert.strictEqual("default" in rest, settingInfo[name].default !== undefined, name)
    }
    assert.strictEqual(properties["cache_size_mb"]!.default, 64)
    assert.deepStrictEqual(properties["listen"]!.default, ["127.0.0.1:1053"])
  })

  it.effect("has nothing to say of a file that loads", () =>
    Effect.gen(function* () {
      for (const text of rightFiles) {
        yield* loaded(UPSTREAM, yield* fileWith(text))
        assert.deepStrictEqual(saidByEditor(text), [], text)
      }
    })
  )

  it.effect("refuses what the server refuses, where it can be seen without reading texts", () =>
    Effect.gen(function* () {
      for (const text of wrongFiles) {
        assert.isNotEmpty(yield* mistakesIn(UPSTREAM, yield* fileWith(text)), text)
        assert.isNotEmpty(saidByEditor(text), text)
      }
    })
  )
})

describe("the example", () => {
  it("names its schema in the first line, has every setting, and says nothing while it is commented out", () => {
    const text = example()
    assert.strictEqual(text.split("\n")[0], `# yaml-language-server: $schema=${SCHEMA_URL.href}`)
    assert.isNull(parse(text))
    for (const name of settingNames) assert.match(text, new RegExp(`^#${fileKey(name)}:`, "m"))
    for (const line of text.split("\n"))
      if (!/^#(allow|rate_limit_exempt):/.test(line)) assert.isAtMost(line.length, 120, line)
  })

  it.effect("loads without mistakes when all of it is set, and the schema has nothing to say of it", () =>
    Effect.gen(function* () {
      const ca = yield* fileWith(authority().cert)
      const own = authority().issue({ names: ["dns.example.net"] })
      const [certificate, key] = [yield* fileWith(own.cert), yield* fileWith(own.key)]
      const text = uncommented({ geo: geoLiteFile(), ca, certificate, key })
      const { settings, given } = yield* loaded({}, yield* fileWith(text))
      for (const name of settingNames) assert.strictEqual(given.get(name)?.source, "file", name)
      assert.deepStrictEqual(
        settings.upstreams.map(({ name, protocol }) => [name, protocol]),
        [
          ["quad9", "tls"],
          [undefined, "https"],
          [undefined, "udp"]
        ]
      )
      assert.deepStrictEqual(saidByEditor(text), [])
    })
  )

  it.effect("says of each setting with a default what it is without the file", () =>
    Effect.gen(function* () {
      const without = yield* loaded(UPSTREAM)
      const values = parse(example().replace(/^#(?=[a-z]| {2})/gm, "")) as Record<string, unknown>
      for (const name of settingNames) {
        if (settingInfo[name].default === undefined || settingInfo[name].default === "") continue
        const value = values[fileKey(name)]
        const text = Array.isArray(value) ? value.map(String) : String(value)
        assert.deepStrictEqual(text, without.given.get(name)?.value, name)
      }
    })
  )
})
