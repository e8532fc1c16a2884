import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { withSettings as withSettingsOrNot } from "../../src/admin/save-settings.ts"
import { SpaceSaving } from "../../src/admin/views/space-saving.ts"
import { TopLists } from "../../src/admin/views/top-lists.ts"
import { formatClient } from "../../src/telemetry/client-address.ts"

const withSettings = (...given: Parameters<typeof withSettingsOrNot>): string =>
  Result.getOrThrow(withSettingsOrNot(...given))

describe("the most frequent of many", () => {
  it("are found in little room, with no count too low", () => {
    const sketch = new SpaceSaving(50)
    const counts = new Map<string, number>()
    const add = (key: string): void => {
      counts.set(key, (counts.get(key) ?? 0) + 1)
      sketch.add(key, 1)
    }
    // A few are asked for often, among thousands that are asked for once.
    for (let i = 0; i < 20_000; i++) add(i % 4 === 0 ? `often${(i / 4) % 10}` : `once${i}`)
    const top = [...sketch.entries()].sort((a, b) => b.count - a.count).slice(0, 10)
    assert.deepStrictEqual(
      top.map(({ key }) => key).sort(),
      Array.from({ length: 10 }, (_, i) => `often${i}`)
    )
    for (const { key, count, error } of sketch.entries()) {
      assert.isAtLeast(count, counts.get(key)!)
      assert.isAtMost(count - error, counts.get(key)!)
    }
    assert.strictEqual(sketch.total, 20_000)
  })
})

describe("top lists", () => {
  it("are of the last minutes, and forget what is older than an hour", () => {
    let nowMs = 0
    const top = new TopLists(() => nowMs)
    top.add("name", "old.test", 5)
    nowMs = 5 * 60_000
    top.add("name", "new.test", 2)
    const keysIn = (minutes: number): ReadonlyArray<string> =>
      top.read("name", minutes, 10).entries.map(({ key, count }) => `${key} ${count}`)
    assert.deepStrictEqual(keysIn(1), ["new.test 2"])
    assert.deepStrictEqual(keysIn(10), ["old.test 5", "new.test 2"])
    assert.deepStrictEqual(top.read("client", 10, 10).entries, [])
    assert.strictEqual(top.read("name", 60, 10).seconds, 300)
    nowMs = 62 * 60_000
    assert.deepStrictEqual(keysIn(60), ["new.test 2"])
  })
})

describe("a client", () => {
  it("is written as its address is", () => {
    assert.strictEqual(formatClient([0, 0, 0, 0xc0000207], true), "192.0.2.7")
    assert.strictEqual(formatClient([0x20010db8, 0, 0, 1], false), "2001:db8::1")
    assert.strictEqual(formatClient([0, 0, 0, 1], false), "::1")
  })
})

describe("settings that are saved", () => {
  const file = `# Ours, do not touch.
listen: [127.0.0.1:53] # loopback only

upstreams: # two of them
  - 192.0.2.1 # first
  - 192.0.2.2
retries: 2
`
  it("leave everything else in the file as it is", () => {
    const saved = withSettings(file, [
      ["retries", "1"],
      ["allow", ["10.0.0.0/8", "127.0.0.0/8"]]
    ])
    assert.strictEqual(
      saved,
      `# Ours, do not touch.
listen: [127.0.0.1:53] # loopback only

upstreams: # two of them
  - 192.0.2.1 # first
  - 192.0.2.2
retries: 1
allow: [10.0.0.0/8, 127.0.0.0/8]
`
    )
  })

  it("take the place of a list, whatever its form, and are quoted where they must be", () => {
    const saved = withSettings(file, [
      ["upstreams", ["tls://9.9.9.9#dns.quad9.net", "label=192.0.2.3*2"]],
      ["localAnswers", ["nas.home A 192.0.2.7", 'note.home TXT "a, b"']],
      ["logLevel", "none"],
      ["enableCaching", "false"]
    ])
    assert.strictEqual(
      saved,
      `# Ours, do not touch.
listen: [127.0.0.1:53] # loopback only

upstreams: # two of them
  ["tls://9.9.9.9#dns.quad9.net", label=192.0.2.3*2]
retries: 2
local_answers: [nas.home A 192.0.2.7, "note.home TXT \\"a, b\\""]
log_level: none
enable_caching: false
`
    )
  })

  it("take the place of lists at the margin, and of nothing, with the comments that stand beside them", () => {
    const text = "allow: # who may\n- 10.0.0.0/8\n- 127.0.0.0/8\nretries: # as it comes\nworkers:\nlog_level: info\n"
    assert.strictEqual(
      withSettings(text, [
        ["allow", ["192.168.0.0/16"]],
        ["retries", "3"],
        ["workers", "2"]
      ]),
      "allow: [192.168.0.0/16] # who may\nretries: 3 # as it comes\nworkers: 2\nlog_level: info\n"
    )
  })

  it("take the place of lists at the margin with nothing beside them, whatever the ends of lines are", () => {
    for (const end of ["\n", "\r\n"]) {
      for (const [values, written] of [
        [["9.9.9.9", "1.0.0.1"], "[9.9.9.9, 1.0.0.1]"],
        [["9.9.9.9"], "[9.9.9.9]"]
      ] as const) {
        const text = ["upstreams:", "- 1.1.1.1", "- 2.2.2.2", "workers: 2", ""].join(end)
        assert.strictEqual(
          withSettings(text, [["upstreams", values]]),
          [`upstreams: ${written}`, "workers: 2", ""].join(end)
        )
      }
    }
  })

  it("are refused where others refer to the value; what refers to another has its own from now on", () => {
    const text = "rate_limit_exempt: &nets [10.0.0.0/8]\necs_trust: *nets\n"
    assert.isTrue(Result.isFailure(withSettingsOrNot(text, [["rateLimitExempt", ["127.0.0.0/8"]]])))
    assert.strictEqual(
      withSettings(text, [["ecsTrust", ["10.0.0.53/32"]]]),
      "rate_limit_exempt: &nets [10.0.0.0/8]\necs_trust: [10.0.0.53/32]\n"
    )
  })

  it("make a file of what was empty, or had no end of line", () => {
    assert.strictEqual(withSettings("", [["retries", "1"]]), "retries: 1\n")
    assert.strictEqual(withSettings("workers: 2", [["retries", "1"]]), "workers: 2\nretries: 1\n")
    assert.strictEqual(withSettings("retries: 2", [["retries", "0"]]), "retries: 0")
  })
})
