import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileWith } from "../support/machine/files.ts"
import { linesOf, loaded, UPSTREAM, warningsOf } from "../support/servers/loading.ts"

const settingsIn = (text: string | Uint8Array) =>
  Effect.flatMap(fileWith(text, "strand.yaml"), (file) =>
    Effect.map(loaded(UPSTREAM, file), ({ settings }) => settings)
  )

describe("a YAML file", () => {
  it.effect("may have a byte order mark, carriage returns, and empty values for defaults", () =>
    Effect.gen(function* () {
      const settings = yield* settingsIn(
        "\ufeffretries: 1\r\nworkers: ~\r\nallow:\r\n  - 10.0.0.0/8\r\nslow_query_ms:\r\n"
      )
      assert.strictEqual(settings.retries, 1)
      assert.strictEqual(settings.allow.length, 1)
      assert.strictEqual(settings.slowQueryMs, 1000)
    })
  )

  it.effect("keeps texts as they are written, numbers in them included", () =>
    Effect.gen(function* () {
      const settings = yield* settingsIn("otel_service_name: 1.10\ntcp_idle_timeout_secs: .5\nenable_caching: True\n")
      assert.strictEqual(settings.otelServiceName, "1.10")
      assert.strictEqual(settings.tcpIdleTimeoutSecs, 0.5)
      assert.isTrue(settings.enableCaching)
    })
  )

  it.effect("may repeat what an anchor names, and take it over with <<", () =>
    Effect.gen(function* () {
      const { groups, allow, ecsTrust } = yield* settingsIn(`
allow: &local [10.0.0.0/8, 192.168.0.0/16]
ecs_trust: *local
groups:
  a: &a { upstreams: [10.0.0.1], policy: ordered }
  b: { <<: *a, policy: hash }
rules: [x.example -> a, y.example -> b]
`)
      assert.deepStrictEqual(ecsTrust, allow)
      assert.deepStrictEqual(
        groups.map(({ name, policy, upstreams }) => [name, policy, upstreams.length]),
        [
          ["a", "ordered", 1],
          ["b", "hash", 1]
        ]
      )
    })
  )

  it.effect("without a setting in it is warned of", () =>
    Effect.gen(function* () {
      for (const text of ["", "# nothing\n\n# yet\n", "---\n"]) {
        assert.include((yield* warningsOf(text, UPSTREAM))[0], "FILE has no settings in it")
      }
    })
  )

  it.effect("that cannot be read says where, and what it should be", () =>
    Effect.gen(function* () {
      for (const [text, ...expected] of [
        ["listen:\n\t- 127.0.0.1:1\n", "FILE:2:1: expected YAML indented by spaces, not by tabs"],
        ["retries: 1\n---\nretries: 2\n", "FILE:2:1: expected one YAML document"],
        ["- retries\n", "FILE:1:1: expected settings, one a line, name: value, not a list"],
        ["retries\n", "FILE:1:1: expected settings, one a line, name: value, not a text"],
        ["\n\nretries: *secret\n", "FILE:3:10: expected a YAML alias of an anchor that stands before it"],
        ["allow: &a [*a]\n", "FILE:1:12: expected a YAML alias of an anchor that stands before it"],
        ["redis_url: redis://u:pa: ss@h\n", "FILE:1:12: expected name: value on a line of its own"],
        [
          "retries: 1\nlisten: x\nretries: 2\nlisten: y\n",
          "FILE:3:1: expected retries once: it stands at 1:1 already",
          "FILE:4:1: expected listen once: it stands at 2:1 already"
        ],
        [
          "retries: 1\nretries: 2\nretries: 3\n",
          "FILE:2:1: expected retries once: it stands at 1:1 already",
          "FILE:3:1: expected retries once: it stands at 1:1 already"
        ],
        ["rules: [{'s3cret: x': 1, 's3cret: x': 2}]\n", "FILE:1:26: expected each name once"],
        ["listen: [::1]:53\n", "FILE:1:14: expected nothing behind a list or map in brackets"],
        ["allow: [10.0.0.0/8\nretries: 1\n", "FILE:2:1: expected YAML indented alike"],
        ["groups:\n - { name: a, upstreams: [192.0.2.1] }\n", "FILE:2:4: groups: expected groups by their names"],
        ["rules: [corp.example]\n", "FILE:1:9: rules: corp.example: expected conditions -> group, such as"],
        ["rules:\n  - !a.example b.example -> c\n", "FILE:2:5: expected YAML without such a tag"],
        ["redis_url: !secret redis\n", "FILE:1:12: expected YAML without such a tag"],
        ['otel_service_name: "a\n', "FILE:2:1: expected YAML: a quote"]
      ] as const) {
        const lines = yield* linesOf(text)
        for (const [i, line] of expected.entries()) assert.isTrue(lines[i]?.startsWith(line), `${lines[i]} / ${line}`)
        assert.notInclude(lines.join(), "secret")
      }
    })
  )

  it.effect("in another encoding is said to be", () =>
    Effect.gen(function* () {
      const utf16 = Buffer.from("\ufeffretries: 1\n", "utf16le")
      assert.include((yield* linesOf(utf16))[0], "in UTF-8: this one is in UTF-16")
      assert.include((yield* linesOf(Buffer.from("# caf\xe9\n", "latin1")))[0], "in UTF-8")
    })
  )

  it.effect("costs no more for what its aliases would expand to, its depth, its keys or its errors", () =>
    Effect.gen(function* () {
      const letters = [..."abcdefghijkl"]
      const bombs = letters.map((letter, i) => {
        const inner = i === 0 ? "x" : `*${letters[i - 1]}`
        return `${letter}: &${letter} [${Array(9).fill(inner).join(", ")}]`
      })
      const hostile: ReadonlyArray<readonly [text: string, expected: RegExp]> = [
        [bombs.join("\n"), /at most 500000 values/],
        [`allow: ${"[".repeat(20_000)}`, /deep/],
        [`allow: ${"[".repeat(30)}${"]".repeat(30)}`, /at most 16 deep/],
        [`allow: ${"- ".repeat(5_000)}`, /expected/],
        [`allow: [${"x,".repeat(1_000_000)}]`, /at most 1000000 words and signs/],
        [Array.from({ length: 20_000 }, (_, i) => `k${i}: v`).join("\n"), /none named k0/],
        ["a: b: c\n".repeat(10_000), /expected/],
        ["#".repeat(4 * 1024 * 1024 + 1), /more than 4 MiB/]
      ]
      const before = process.cpuUsage()
      for (const [text, expected] of hostile) assert.match((yield* linesOf(text))[0] ?? "", expected)
      const { user, system } = process.cpuUsage(before)
      // Eight of them; one alone took 6 s, and with keys compared in pairs a minute.
      assert.isBelow((user + system) / 1e6, 20)
    })
  )
})
