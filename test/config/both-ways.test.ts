/** What is read from a text is written as a text that reads the same, for every setting. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { group, makeGroup } from "../../src/config/codec/group.ts"
import { localAnswer } from "../../src/config/codec/local-answer.ts"
import { rule } from "../../src/config/codec/rule.ts"
import { weightedUpstream } from "../../src/config/codec/weighted-upstream.ts"
import { decodeSettings, differences, encodeSettings } from "../../src/config/configuration.ts"
import { groupMap } from "../../src/config/maps/group-map.ts"
import { localAnswerMap } from "../../src/config/maps/local-answer-map.ts"
import { ruleMap } from "../../src/config/maps/rule-map.ts"
import { upstreamMap } from "../../src/config/maps/upstream-map.ts"
import { Settings, settingInfo, settingNames } from "../../src/config/schema/settings.ts"
import { groupText, localAnswerText, ruleText, upstreamText, valueTexts } from "../support/servers/setting-texts.ts"
import { settingsOf } from "../support/servers/settings.ts"

const RUNS = { arbitrary: { runs: 200 } }

/** In both directions, and once more. */
const sameBothWays = <A, E>(schema: Schema.Codec<A, E>, value: A): void => {
  const encoded = Schema.encodeSync(schema)(value)
  const again = Schema.decodeUnknownSync(schema)(structuredClone(encoded))
  assert.deepStrictEqual(again, value, JSON.stringify(encoded))
  assert.deepStrictEqual(Schema.encodeSync(schema)(again), encoded)
}

describe("a setting", () => {
  for (const name of settingNames) {
    it.effect.prop(
      `${name} is written as a text that reads the same`,
      [valueTexts[name]],
      ([texts]) =>
        Effect.sync(() => {
          const schema = Settings.fields[name] as Schema.Codec<unknown, unknown>
          const written =
            name === "tlsCaFile"
              ? { file: "ca.pem", certificates: texts }
              : name === "tlsCertificateFile" || name === "tlsKeyFile"
                ? texts.map((pem, i) => ({ file: `${i}.pem`, pem }))
                : name === "adminTlsCertificateFile" || name === "adminTlsKeyFile"
                  ? { file: "admin.pem", pem: texts[0] }
                  : settingInfo[name].isList === true
                    ? texts
                    : texts[0]
          const read = Schema.decodeUnknownResult(schema)(written)
          if (Result.isFailure(read)) throw new Error(`${JSON.stringify(written)}: ${read.failure}`)
          sameBothWays(schema, read.success)
        }),
      RUNS
    )
  }
})

describe("a map", () => {
  const mapped = <A, E>(schema: Schema.Codec<A, E>, value: A): void => sameBothWays(schema, value)

  it.effect.prop(
    "says of an upstream all that its text does",
    [upstreamText],
    ([text]) => Effect.sync(() => mapped(upstreamMap, Result.getOrThrow(weightedUpstream.read(text)))),
    RUNS
  )

  it.effect.prop(
    "says of a group all that its text does, and has the same view",
    [groupText],
    ([text]) =>
      Effect.sync(() => {
        const read = Result.getOrThrow(group.read(text))
        mapped(groupMap, { upstreams: read.upstreams, policy: read.policy })
        assert.strictEqual(makeGroup(read.name, read.upstreams, read.policy).view, read.view)
      }),
    RUNS
  )

  it.effect.prop(
    "says of a rule all that its text does",
    [ruleText],
    ([text]) =>
      Effect.sync(() => {
        const { ecs, ...read } = Result.getOrThrow(rule.read(text))
        mapped(ruleMap, { ...read, ecs })
      }),
    RUNS
  )

  it.effect.prop(
    "says of a local answer all that its text does",
    [localAnswerText],
    ([text]) => Effect.sync(() => mapped(localAnswerMap, [Result.getOrThrow(localAnswer.read(text))])),
    RUNS
  )
})

describe("a snapshot", () => {
  const environment = {
    DNS_SERVER_UPSTREAMS: "quad9=tls://9.9.9.9#dns.quad9.net, https://dns.example/d2a9c1{?dns}",
    DNS_SERVER_GROUPS: "corp=10.1.0.1 10.1.0.2*3 policy=ordered",
    DNS_SERVER_RULES: "corp.example client:10.0.0.0/8 -> corp ecs",
    DNS_SERVER_LOCAL_ANSWERS: 'nas.home A 192.168.1.7, t.home TXT "a,  b"',
    DNS_SERVER_REDIS_URL: "rediss://user:hunter2@redis.example"
  }

  it("of all settings can be sent to a thread, and is read as the same", () => {
    const settings = settingsOf(environment)
    const snapshot = structuredClone(encodeSettings(settings))
    assert.deepStrictEqual(decodeSettings(snapshot), settings)
    assert.deepStrictEqual(encodeSettings(decodeSettings(snapshot)), encodeSettings(settings))
  })

  it("does not differ from one that is written otherwise", () => {
    const other = settingsOf({
      ...environment,
      DNS_SERVER_UPSTREAMS: "quad9=TLS://9.9.9.9:853#dns.quad9.net,https://DNS.example:443/d2a9c1{?dns}",
      DNS_SERVER_GROUPS: "corp = 10.1.0.1:53  udp://10.1.0.2*3  policy=ordered",
      DNS_SERVER_REDIS_URL: "rediss://user:hunter2@redis.example:6379/0"
    })
    assert.deepStrictEqual(differences(settingsOf(environment), other), [])
  })

  it("differs in what is another, which is shown without its secrets", () => {
    const other = settingsOf({
      ...environment,
      DNS_SERVER_CACHE_SIZE_MB: "128",
      DNS_SERVER_UPSTREAMS: "https://dns.example/d2b777",
      DNS_SERVER_REDIS_URL: "rediss://user:other@redis.example"
    })
    const found = differences(settingsOf(environment), other)
    assert.deepStrictEqual(found, [
      {
        name: "upstreams",
        before: "quad9=tls://9.9.9.9#dns.quad9.net, https://dns.example/d2…{?dns}",
        after: "https://dns.example/d2…",
        touches: ["upstream", "table"]
      },
      { name: "cacheSizeMb", before: "64", after: "128", touches: ["table"] },
      {
        name: "redisUrl",
        before: "rediss://…@redis.example:6379",
        after: "rediss://…@redis.example:6379",
        touches: ["table"]
      }
    ])
    assert.notInclude(JSON.stringify(found), "hunter2")
  })
})
