/**
 * Much of Effect that this server uses is marked unstable: a newer version may move or rename it. Whatever the sources
 * use of it is looked for by name here, so that an upgrade fails with the name that is gone.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => ({ file: join("src", file), text: readFileSync(join("src", file), "utf8") }))

/** `import { A, type B, C as D } from "effect/net"`, over several lines too. */
const imports = /import\s*\{([^}]+)\}\s*from\s*"((?:effect|@effect)[^"]*)"/g
/** `import * as A from "@effect/platform-node/A"`. */
const namespaces = /import\s*\*\s*as\s+(\w+)\s+from\s*"((?:effect|@effect)[^"]*)"/g

interface Use {
  readonly module: string
  /** What is imported; undefined where it is the module as a whole. */
  readonly name: string | undefined
  /** Its members that are used as values. */
  readonly members: ReadonlySet<string>
  readonly file: string
}

/** Members by their first letter: small ones are values; great ones are, where they are called or constructed. */
const membersOf = (local: string, text: string): ReadonlySet<string> => {
  const small = new RegExp(`\\b${local}\\.([a-z]\\w*)`, "g")
  const called = new RegExp(`\\b${local}\\.([A-Z]\\w*)(?=\\()`, "g")
  return new Set([...text.matchAll(small), ...text.matchAll(called)].map((match) => match[1]!))
}

const named: ReadonlyArray<Use> = sources.flatMap(({ file, text }) =>
  [...text.matchAll(imports)].flatMap(([, names, module]) =>
    names!
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !name.startsWith("type "))
      .map((name) => {
        const [imported, local = imported] = name.split(/\s+as\s+/)
        return { module: module!, name: imported!, members: membersOf(local!, text), file }
      })
  )
)

const whole: ReadonlyArray<Use> = sources.flatMap(({ file, text }) =>
  [...text.matchAll(namespaces)].map(([, local, module]) => ({
    module: module!,
    name: undefined,
    members: membersOf(local!, text),
    file
  }))
)

const uses = [...named, ...whole]
const modules = [...new Set(uses.map(({ module }) => module))].sort()

describe("of Effect", () => {
  it("the unstable modules that we know of are among those looked at", () => {
    assert.includeMembers(modules, ["effect", "effect/net", "effect/workers", "@effect/platform-node/NodeRuntime"])
  })

  for (const module of modules) {
    it(`${module} has all that is used of it`, async () => {
      const exports: Record<string, unknown> = await import(module)
      for (const { name, members, file } of uses.filter((use) => use.module === module)) {
        const found = name === undefined ? exports : exports[name]
        assert.isDefined(found, `${module} has no ${name}, which ${file} imports`)
        const own = found as Record<string, unknown>
        for (const member of members) {
          assert.isDefined(own[member], `${module}: ${name}.${member} is gone, which ${file} uses`)
        }
      }
    })
  }
})
