/**
 * Runs a program of `src` in this process, so that a signal to the one reaches the other: `node src/cli/launch.mjs
 * main`.
 *
 * It runs from `dist`, which is built anew where a source is newer. Where no compiler is installed (`npm ci
 * --omit=dev`, or `--omit=optional`, which leaves out the compiler's binary) it runs from `dist` as it is, and without
 * a build from the sources.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const compiler = join(root, "node_modules/typescript/bin/tsc")
const bundler = join(root, "node_modules/rolldown")
const [program] = process.argv.splice(2, 1)
const built = join(root, `dist/${program}.js`)

const isStale = () => {
  // Written last, whatever has changed.
  const record = join(root, "dist/dashboard/index.html")
  if (!existsSync(built) || !existsSync(record)) return true
  const builtMs = statSync(record).mtimeMs
  return readdirSync(join(root, "src"), { recursive: true }).some(
    (file) => statSync(join(root, "src", String(file))).mtimeMs > builtMs
  )
}

/** In processes of their own: what the compiler and the bundler have used is not the server's. */
const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}
const hasCompiler = () =>
  existsSync(compiler) &&
  existsSync(bundler) &&
  spawnSync(process.execPath, [compiler, "--version"], { stdio: "ignore" }).status === 0

if (isStale() && hasCompiler()) {
  console.error("Building Strand, as at the first start and whenever its sources have changed")
  run(compiler, "--build", "src")
  run(join(root, "src/bundle.mjs"))
}
if (existsSync(built)) {
  await import(pathToFileURL(built).href)
} else if (process.features.typescript) {
  await import(pathToFileURL(join(root, `src/${program}.ts`)).href)
} else {
  console.error(
    `There is no build, no compiler to make one, and Node ${process.versions.node} cannot read the sources: ` +
      "run `npm ci` without --omit, or use Node 22.19 or newer."
  )
  process.exit(1)
}
