/** The compiled code that a start leaves to the next one, and what becomes of it when it is damaged or unwelcome. */
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const saying = new URL("../support/machine/kept-code.ts", import.meta.url)

/** A build of its own: that of the repository is used by other tests. */
let root = ""
const compiled = (): string => join(root, "dist/.compiled")

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "strand-kept-"))
  for (const path of ["dist", "package.json", "docs/strand.schema.json"]) {
    cpSync(path, join(root, path), { recursive: true, filter: (source) => !source.includes(".compiled") })
  }
  symlinkSync(join(process.cwd(), "node_modules"), join(root, "node_modules"))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Which files' code V8 took from before, of those that a command loads, and how the command ended. */
const run = (args: ReadonlyArray<string>, environment: Record<string, string> = {}) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["dist/main.js", ...args], {
    cwd: root,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], NODE_OPTIONS: `--import ${saying}`, ...environment }
  })
  const loads = [...stderr.matchAll(/^(\S+) is (taken|compiled)$/gm)]
  const of = (how: string): ReadonlyArray<string> => loads.flatMap(([, file, is]) => (is === how ? [file!] : []))
  return { status, stdout, taken: of("taken"), compiled: of("compiled") }
}

const USUAL = ["config", "schema"]

describe("a program", () => {
  it("is strict in all its files, as the modules are that it is made of", () => {
    const files = readdirSync("dist/programs")
    assert.isAbove(files.length, 20)
    for (const file of files) assert.match(readFileSync(`dist/programs/${file}`, "utf8"), /^"use strict";/, file)
  })
})

describe("the compiled code of a program", () => {
  it("is kept when it ends well, and taken by the next", () => {
    const first = run(USUAL)
    assert.strictEqual(first.status, 0)
    assert.deepStrictEqual(first.taken, [])
    assert.isAbove(first.compiled.length, 1)
    const second = run(USUAL)
    assert.deepStrictEqual(second.compiled, [])
    assert.sameMembers([...second.taken], [...first.compiled])
    assert.strictEqual(second.stdout, first.stdout)
  })

  it("can be written by nobody else, whatever the umask is", () => {
    rmSync(compiled(), { recursive: true, force: true })
    const program = ["dist/main.js", ...USUAL].join(" ")
    const { status } = spawnSync("sh", ["-c", `umask 0; exec ${process.execPath} ${program}`], { cwd: root })
    assert.strictEqual(status, 0)
    const paths = [compiled(), ...readdirSync(compiled()).map((name) => join(compiled(), name))]
    assert.isAbove(paths.length, 2)
    for (const path of paths) assert.strictEqual(statSync(path).mode & 0o022, 0, path)
  })

  it("is not kept when it fails", () => {
    rmSync(compiled(), { recursive: true })
    assert.strictEqual(run(["--no-such-option"]).status, 1)
    assert.isAbove(run(["--no-such-option"]).compiled.length, 0)
  })

  for (const [how, damage] of Object.entries({
    "has another octet somewhere": (octets: Buffer) => {
      octets[octets.length >> 1]! ^= 1
      return octets
    },
    "is cut": (octets: Buffer) => octets.subarray(0, octets.length - 100),
    "is empty": () => Buffer.alloc(0)
  })) {
    it(`is compiled anew, and kept anew, where it ${how}`, () => {
      const { stdout } = run(USUAL)
      const names = readdirSync(compiled())
      assert.isAbove(names.length, 1)
      for (const name of names) {
        const file = join(compiled(), name)
        writeFileSync(file, damage(readFileSync(file)))
      }
      const after = run(USUAL)
      assert.deepStrictEqual([after.status, after.stdout, after.taken], [0, stdout, []])
      assert.deepStrictEqual(run(USUAL).compiled, [])
    })
  }

  it("is not taken for another source of the same name", () => {
    run(USUAL)
    const program = join(root, "dist/programs/cli-command-line.cjs")
    const source = readFileSync(program, "utf8")
    writeFileSync(program, source.replace("exports", "exports "))
    assert.include(run(USUAL).compiled, "cli-command-line.cjs")
    writeFileSync(program, source)
  })

  it("is not taken with other flags of V8, and what is kept with each stays", () => {
    run(USUAL)
    const other = { NODE_OPTIONS: `--import ${saying} --max-lazy` }
    assert.deepStrictEqual(run(USUAL, other).taken, [])
    assert.deepStrictEqual(run(USUAL, other).compiled, [])
    assert.deepStrictEqual(run(USUAL).compiled, [])
  })

  it.skipIf(process.getuid?.() !== 0)("is kept in systemd's folder by one who may not write beside the program", () => {
    rmSync(compiled(), { recursive: true, force: true })
    chmodSync(root, 0o755)
    const cache = join(root, "cache")
    mkdirSync(cache)
    chmodSync(cache, 0o777)
    const asNobody = (environment: Record<string, string>) => {
      const shown = spawnSync("setpriv", ["--reuid", "65534", process.execPath, "dist/main.js", ...USUAL], {
        cwd: root,
        encoding: "utf8",
        env: { PATH: process.env["PATH"], ...environment }
      })
      assert.strictEqual(shown.status, 0, shown.stderr)
    }
    asNobody({})
    assert.deepStrictEqual(readdirSync(cache), [])
    writeFileSync(join(cache, "program-of-yesterday.cjs.1a2b3c"), "")
    asNobody({ CACHE_DIRECTORY: cache })
    assert.isAbove(readdirSync(cache).length, 1)
    assert.notInclude(readdirSync(cache), "program-of-yesterday.cjs.1a2b3c")
    assert.deepStrictEqual(run(USUAL, { CACHE_DIRECTORY: cache }).compiled, [])
  })
})
