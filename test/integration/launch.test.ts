/** The ways in: with a Node that is too old, without a compiler, without a build. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const run = (
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {}
) =>
  spawnSync(process.execPath, [...args], {
    cwd: options.cwd,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...options.env }
  })

const asOld = (version: string) => ({
  NODE_OPTIONS: `--import ${new URL("../support/faults/as-old-node.ts", import.meta.url)}`,
  STRAND_TEST_NODE_VERSION: version
})

describe("a Node that is too old", () => {
  for (const program of ["dist/main.js", "dist/cli/demo/main.js"]) {
    for (const version of ["16.20.2", "20.20.2", "22.18.0"]) {
      it(`is told so in one line by ${program}, before anything else is loaded (${version})`, () => {
        const { status, stdout, stderr } = run([program], { env: asOld(version) })
        assert.strictEqual(status, 1)
        assert.strictEqual(stdout, "")
        assert.match(stderr, /^Strand needs Node 22\.19 or newer; this is [\d.]+\..*\n$/)
        assert.include(stderr, version)
      })
    }
  }

  it("is not too old from 22.19 on: the rest is loaded", () => {
    const { stderr } = run(["dist/main.js"], { env: asOld("22.19.0") })
    assert.match(stderr, /an old Node cannot load .*\/program\.cjs/)
  })

  it("can read what says so: no syntax and no global newer than Node 16", () => {
    const shared = readdirSync("dist/runtime").filter((file) => file.endsWith(".js"))
    assert.includeMembers(shared, ["loading.js", "load-program.js", "node-version.js"])
    for (const file of ["main.js", "cli/demo/main.js", ...shared.map((file) => `runtime/${file}`)]) {
      const text = readFileSync(`dist/${file}`, "utf8")
      assert.notMatch(text, /\busing\b.*=|\/v[;,)]|import .* with \{|static \{|\bhasOwn\b|#\w+ in/)
    }
  })
})

/** A copy of the repository without its build, and with what is installed, or not. */
const copied = (installed: "nothing" | "no compiler") =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = mkdtempSync(join(tmpdir(), "strand-launch-"))
      for (const part of ["src", "package.json", "tsconfig.json"]) cpSync(part, join(root, part), { recursive: true })
      if (installed === "no compiler") {
        const modules = join(root, "node_modules")
        cpSync("node_modules/typescript/package.json", join(modules, "typescript/package.json"))
        for (const part of ["effect", "@effect", "@opentelemetry", "maxmind", "redis", "@redis", "dns-packet"]) {
          symlinkSync(join(process.cwd(), "node_modules", part), join(modules, part))
        }
      }
      return root
    }),
    (root) => Effect.sync(() => rmSync(root, { recursive: true }))
  )

describe("npm start", () => {
  it.live("runs the sources where there is neither a build nor a compiler that works", () =>
    Effect.gen(function* () {
      const root = yield* copied("no compiler")
      const { status, stdout, stderr } = run(["src/cli/launch.mjs", "main", "--version"], { cwd: root })
      assert.strictEqual(stdout.trim(), JSON.parse(readFileSync("package.json", "utf8")).version, stderr)
      assert.strictEqual(status, 0)
    })
  )

  it.live("says what is missing where this Node cannot read the sources either", () =>
    Effect.gen(function* () {
      const root = yield* copied("nothing")
      const { status, stderr } = run(["--no-strip-types", "src/cli/launch.mjs", "main"], { cwd: root })
      assert.strictEqual(status, 1)
      assert.match(stderr, /^There is no build, no compiler to make one.*run `npm ci` without --omit/)
      assert.strictEqual(stderr.trim().split("\n").length, 1)
    })
  )
})
