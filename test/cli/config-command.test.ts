/** `strand config`, as it is run: the program that was built. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SCHEMA_URL } from "../../src/config/describe/example.ts"
import { fileWith } from "../support/machine/files.ts"

const run = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  spawnSync(process.execPath, ["dist/main.js", ...args], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...env }
  })

/** Says which modules are loaded. */
const SAYING = { NODE_OPTIONS: `--import ${new URL("../support/machine/loaded-modules.ts", import.meta.url)}` }

describe("strand config", () => {
  it("schema prints the schema that is shipped", () => {
    const { status, stdout, stderr } = run(["config", "schema"])
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.strictEqual(stdout, readFileSync(SCHEMA_URL, "utf8"))
  })

  it.effect("example prints a file that names that schema, and that check takes with what is set in it", () =>
    Effect.gen(function* () {
      const { status, stdout, stderr } = run(["config", "example"])
      assert.deepStrictEqual([status, stderr], [0, ""])
      assert.strictEqual(stdout.split("\n")[0], `# yaml-language-server: $schema=${SCHEMA_URL.href}`)
      const set = stdout.replace(/^#(?=(upstreams|groups|rules|local_answers|cache_size_mb):| {2})/gm, "")
      const checked = run(["check", "--config", yield* fileWith(set, "strand.yaml")])
      assert.strictEqual(checked.status, 0, checked.stdout + checked.stderr)
      assert.match(
        checked.stdout,
        /^upstreams: quad9=tls:\/\/9\.9\.9\.9#dns\.quad9\.net, https:\/\/dns\.google\/dns-query/m
      )
      assert.match(checked.stdout, /^groups: corp=10\.1\.0\.1 10\.1\.0\.2\*3 policy=ordered {2}# /m)
    })
  )

  it("says what it takes where something else is asked of it, and --help has both", () => {
    const { status, stderr } = run(["config", "shcema"])
    assert.strictEqual(status, 1)
    assert.strictEqual(
      stderr,
      "unknown command: shcema: did you mean schema?; strand config --help says what there is\n"
    )
    const help = run(["--help"]).stdout
    assert.match(help, /strand config example .*defaults\n.*strand config schema .*editors/)
  })

  it.effect("is compared with another file's: what would change, and what that touches", () =>
    Effect.gen(function* () {
      const before = yield* fileWith("upstreams: 192.0.2.1\nredis_url: redis://user:secret@a\n", "old.yaml")
      const after = yield* fileWith("upstreams: 192.0.2.1\nretries: 1\nredis_url: redis://user:other@b\n", "new.yaml")
      const { status, stdout } = run(["check", "--config", after, "--against", before])
      assert.strictEqual(status, 0)
      assert.match(stdout, /^retries: 2 -> 1 {2}# touches upstream$/m)
      assert.match(stdout, /^redis_url: .*a.* -> .*b.* {2}# touches table$/m)
      assert.notMatch(stdout, /secret|other/)
      assert.strictEqual(stdout.trim().split("\n").length, 2)
      assert.include(run(["check", "--config", before, "--against", before]).stdout, "nothing would change")
      assert.strictEqual(run(["--against", before]).status, 1)
      const wrong = yield* fileWith("retries: 99\n", "wrong.yaml")
      assert.strictEqual(run(["check", "--config", wrong, "--against", before]).status, 1)
    })
  )

  it("is described by modules that nobody else loads", () => {
    const { stderr: ofCheck } = run(["check"], { ...SAYING, DNS_SERVER_UPSTREAMS: "192.0.2.1" })
    assert.include(ofCheck, "src/config/configuration.ts")
    for (const name of ["describe/", "maps/", "yaml-tree"]) assert.notInclude(ofCheck, name)
    assert.include(run(["config", "schema"], SAYING).stderr, "src/config/describe/json-schema.ts")
  })
})
