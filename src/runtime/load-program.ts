/**
 * Loads a program: all that a process or a thread runs, in one file, and what few configurations need in files beside it.
 *
 * V8 compiles most functions when they are first called. What it has compiled some seconds after the start is kept for the
 * next one: beside the program, where only those may write who could change the program itself, or in the folder that
 * systemd gives a service (`CacheDirectory=`). Where neither can be written to, nothing is kept.
 *
 * An older Node reads this file: no syntax newer than Node 16.
 */
import crypto from "node:crypto"
import fs from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { fileURLToPath } from "node:url"
import v8 from "node:v8"
import vm from "node:vm"
import { isBuilt, packageFile, programAt } from "./entry-points.ts"

/** What a start calls, it has called by then. */
const KEEP_MS = 5_000
/** Keeping takes a thread some 15 ms: it waits until the thread has less to do than this share of its time. */
const QUIET = 0.1

const DIGEST = "sha256"
const DIGEST_OCTETS = 32

const folders = [fileURLToPath(packageFile("dist/.compiled")), process.env["CACHE_DIRECTORY"]].filter(
  (folder): folder is string => folder !== undefined
)

/** Code of one version of V8, with one set of its flags. */
const keptName = (file: string): string => `${path.basename(file)}.${v8.cachedDataVersionTag().toString(16)}`

/** Tells the code of this source, undamaged: V8 believes what it is given. */
const digestOf = (source: Buffer, code: Buffer): Buffer =>
  crypto.createHash(DIGEST).update(source).update(code).digest()

const readKept = (file: string, source: Buffer): Buffer | undefined => {
  for (const folder of folders) {
    try {
      const octets = fs.readFileSync(path.join(folder, keptName(file)))
      const code = octets.subarray(DIGEST_OCTETS)
      if (digestOf(source, code).equals(octets.subarray(0, DIGEST_OCTETS))) return code
    } catch {
      // Looked for in the next.
    }
  }
  return undefined
}

const PROGRAMS = fileURLToPath(packageFile("dist/programs"))

/** What an earlier version has left in a folder that outlives it. */
const removeOutdated = (folder: string): void => {
  for (const name of fs.readdirSync(folder)) {
    const [program = ""] = /^.*?\.cjs/.exec(name) ?? []
    if (!fs.existsSync(path.join(PROGRAMS, program))) fs.rmSync(path.join(folder, name), { force: true })
  }
}

/** Written beside and renamed: threads that begin meanwhile read all of it, or what was there before. */
const writeKept = (folder: string, name: string, octets: ReadonlyArray<Buffer>): boolean => {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 })
    const written = path.join(folder, `${name}.${process.pid}.${crypto.randomUUID()}`)
    // Whatever the umask is: who could write here could have his own code run.
    fs.writeFileSync(written, Buffer.concat(octets), { mode: 0o644 })
    fs.renameSync(written, path.join(folder, name))
    removeOutdated(folder)
    return true
  } catch {
    return false
  }
}

interface Compiled {
  readonly file: string
  readonly source: Buffer
  readonly script: vm.Script
}

/** Whose code is not kept yet. */
const fresh: Array<Compiled> = []

const keep = (): void => {
  for (const { file, source, script } of fresh.splice(0)) {
    const code = script.createCachedData()
    folders.some((folder) => writeKept(folder, keptName(file), [digestOf(source, code), code]))
  }
}

const loaded = new Map<string, { exports: unknown }>()

/** What the file exports; it is run when it is first asked for. */
const load = (file: string): unknown => {
  const known = loaded.get(file)
  if (known !== undefined) return known.exports
  const source = fs.readFileSync(file)
  const kept = readKept(file, source)
  const script = new vm.Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: file,
    cachedData: kept
  })
  if (kept === undefined || script.cachedDataRejected === true) fresh.push({ file, source, script })
  const module = { exports: {} }
  loaded.set(file, module)
  const folder = path.dirname(file)
  const requireOther = createRequire(file)
  const require = (name: string): unknown =>
    name.startsWith("./") ? load(path.join(folder, name)) : requireOther(name)
  script.runInThisContext()(module.exports, require, module, file, folder)
  return module.exports
}

const keepLater = (): void => {
  let before = performance.eventLoopUtilization()
  const look = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    if (utilization > QUIET) return
    clearInterval(look)
    keep()
  }, KEEP_MS).unref()
  // A program that fails has called little of what the next start will.
  process.on("exit", (code) => {
    if (code === 0) keep()
  })
}

/** @param program its path from `src`, without its ending: one of those of `bundle.mjs` */
export const loadProgram = async <Exports>(program: string): Promise<Exports> => {
  if (!isBuilt) return import(programAt(program).href)
  if (loaded.size === 0) keepLater()
  return load(path.join(PROGRAMS, `${program.replaceAll("/", "-")}.cjs`)) as Exports
}
