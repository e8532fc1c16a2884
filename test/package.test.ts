/** The package as npm would get it: what others say of it, and whether what its documentation shows compiles against it. */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

/** One that is installed, by its path; undefined where it is not. */
const installed = (name: string): string | undefined => {
  const path = join(process.cwd(), "node_modules/.bin", name)
  return existsSync(path) ? path : undefined
}

const succeed = (command: string, args: ReadonlyArray<string>, cwd?: string): string => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" })
  assert.strictEqual(status, 0, `${command} ${args.join(" ")}\n${stdout}\n${stderr}\n${error ?? ""}`)
  return stdout
}

/** Examples in comments of the sources and in pages, each a module of its own. */
const examples = (): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  const collect = (
    file: string,
    blocks: IterableIterator<RegExpExecArray>,
    codeOf: (block: string) => string
  ): void => {
    let count = 0
    for (const [, block] of blocks) {
      const code = codeOf(block!)
      if (code.includes('from "strand-dns"')) found.set(`${file.replace(/\W+/g, "-")}-${++count}.ts`, code)
    }
  }
  for (const name of readdirSync("src", { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue
    const text = readFileSync(join("src", name), "utf8")
    collect(name, text.matchAll(/^ \* ```ts\n(.*?)^ \* ```/gms), (block) => block.replace(/^ \* ?/gm, ""))
  }
  for (const page of ["docs/embedding.md"]) {
    collect(page, readFileSync(page, "utf8").matchAll(/^```ts\n(.*?)^```/gms), (block) => block)
  }
  return found
}

const compiler = installed("tsc")
const linter = installed("publint")
const typesLinter = installed("attw")

describe("the packed package", () => {
  let folder = ""
  let tarball = ""

  beforeAll(() => {
    // Inside the repository, so that what the package depends on is found.
    mkdirSync(".tmp", { recursive: true })
    folder = mkdtempSync(join(process.cwd(), ".tmp", "package-"))
    succeed("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder])
    tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz"))!)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.skipIf(linter === undefined)("is right by publint", () => {
    assert.match(succeed(linter!, [tarball, "--strict"]), /All good!/)
  })

  it.skipIf(typesLinter === undefined)("has types that others find, by attw, as a package of ES modules", () => {
    succeed(typesLinter!, [tarball, "--profile", "esm-only", "--no-definitely-typed"])
  })

  it.skipIf(compiler === undefined)("has types by which its examples and those of its documentation compile", () => {
    const modules = join(folder, "node_modules", "strand-dns")
    mkdirSync(modules, { recursive: true })
    succeed("tar", ["-xzf", tarball, "-C", modules, "--strip-components=1"])
    for (const [name, code] of examples()) writeFileSync(join(folder, name), code)
    cpSync("examples", folder, { recursive: true })
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "embeds-strand", type: "module" }))
    const compilerOptions = { ...JSON.parse(readFileSync("tsconfig.json", "utf8")).compilerOptions, paths: {} }
    const only = { compilerOptions: { ...compilerOptions, noUnusedLocals: false }, include: ["*.ts"] }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(only))
    succeed(compiler!, ["--project", folder])
    assert.isAtLeast(examples().size, 40)
  })
})
