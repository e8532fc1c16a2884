/**
 * Builds `dist` from the sources, but for the types: programs with all that they use in few files, so that a start reads and
 * compiles little, and the library, which uses the packages of the program that embeds it.
 *
 * The commands beside the server are built on their own: what only they use of a package would otherwise lie in the files
 * that a server loads too.
 *
 * Each import that waits (`await import(…)`) is a file of its own: what is not configured is not loaded.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "rolldown"

const programs = [
  "main",
  "process/worker/worker",
  "process/reload/loader",
  "telemetry/query-log/log-thread",
  "telemetry/query-log/searcher",
  "telemetry/query-log/indexer",
  "cli/demo/main"
]
const commands = ["cli/command-line"]

const from = (paths) => Object.fromEntries(paths.map((path) => [path, `src/${path}.ts`]))

/** Native code, and what is not a module. */
const NATIVE = ["koffi"]

/** The file in which `import.meta.url` is used lies as deep below `dist` as below `src`. */
const byPlace = { groups: [{ name: "entry-points", test: /src\/runtime\/entry-points\.ts$/ }] }

const output = (chunks) => ({
  dir: "dist",
  format: "esm",
  sourcemap: true,
  chunkFileNames: `${chunks}/[name]-[hash].js`,
  codeSplitting: byPlace
})

/** Folders of the packages that are part of what is built. */
const packages = new Set()

const notingPackages = {
  name: "noting-packages",
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      for (const id of chunk.moduleIds ?? []) {
        const found = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)
        if (found !== null) packages.add(found[0])
      }
    }
  }
}

const licences = () =>
  [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? "" : `\n${readFileSync(join(folder, file), "utf8").trim()}\n`
    return `${name} ${version} (${license})\n${text}`
  })

const built = await build([
  {
    input: from(programs),
    platform: "node",
    external: NATIVE,
    output: output("programs"),
    plugins: [notingPackages]
  },
  {
    input: from(commands),
    platform: "node",
    external: NATIVE,
    output: output("commands"),
    plugins: [notingPackages]
  },
  {
    input: { index: "src/index.ts" },
    platform: "node",
    external: (id) => !id.startsWith(".") && !id.startsWith("/"),
    output: output("library")
  }
])

writeFileSync("dist/LICENCES.txt", licences().join(`\n${"-".repeat(80)}\n\n`))

// What earlier builds made goes last: a program that runs may load its parts until then.
const files = new Set(built.flatMap(({ output }) => output.map(({ fileName }) => fileName)))
for (const chunks of ["programs", "commands", "library"]) {
  for (const file of readdirSync(`dist/${chunks}`)) {
    if (!files.has(`${chunks}/${file}`)) rmSync(`dist/${chunks}/${file}`)
  }
}
