/**
 * Builds `dist` from the sources, but for the types: programs with all that they use in few files, so that a start reads and
 * compiles little; the library, which uses the packages of the program that embeds it; and the dashboard, for browsers.
 *
 * The commands beside the server are built on their own: what only they use of a package would otherwise lie in the files
 * that a server loads too.
 *
 * Each import that waits (`await import(…)`) is a file of its own: what is not configured is not loaded.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
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

const DASHBOARD = "src/admin/dashboard"

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

/** The licences of the packages that are part of what is built. */
const licencesOf = (chunks) => {
  const packages = new Set()
  for (const { moduleIds = [] } of chunks) {
    for (const id of moduleIds) {
      const found = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)
      if (found !== null) packages.add(found[0])
    }
  }
  const texts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? "" : `\n${readFileSync(join(folder, file), "utf8").trim()}\n`
    return `${name} ${version} (${license})\n${text}`
  })
  return texts.join(`\n${"-".repeat(80)}\n\n`)
}

/** Without its comments, and the space that a browser does not need. */
const shortened = (css) =>
  css
    .replace(/\/\*.*?\*\//gs, "")
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,]) ?/g, "$1")
    .replace(/: /g, ":")
    .replaceAll(";}", "}")

/** What a browser is sent, and beside it the same compressed: not anew for each that asks. */
const writeCompressed = (path, text) => {
  const octets = Buffer.from(text)
  writeFileSync(path, octets)
  writeFileSync(`${path}.gz`, gzipSync(octets, { level: 9 }))
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: octets.length }
  writeFileSync(`${path}.br`, brotliCompressSync(octets, { params }))
}

const built = await build([
  {
    input: from(programs),
    platform: "node",
    external: NATIVE,
    output: output("programs")
  },
  {
    input: from(commands),
    platform: "node",
    external: NATIVE,
    output: output("commands")
  },
  {
    input: { index: "src/index.ts" },
    platform: "node",
    external: (id) => !id.startsWith(".") && !id.startsWith("/"),
    output: output("library")
  },
  {
    input: { dashboard: `${DASHBOARD}/main.ts` },
    platform: "browser",
    output: { dir: "dist/dashboard", format: "esm", minify: true, comments: false }
  }
])

const chunks = built.flatMap(({ output }) => output)
writeFileSync("dist/LICENCES.txt", licencesOf(chunks))

writeCompressed("dist/dashboard/dashboard.js", chunks.find(({ fileName }) => fileName === "dashboard.js").code)
writeCompressed(
  "dist/dashboard/dashboard.css",
  shortened(
    `${readFileSync("node_modules/uplot/dist/uPlot.min.css", "utf8")}${readFileSync(`${DASHBOARD}/dashboard.css`, "utf8")}`
  )
)
writeCompressed("dist/dashboard/index.html", readFileSync(`${DASHBOARD}/index.html`, "utf8").replace(/\n\s+/g, "\n"))

// What earlier builds made goes last: a program that runs may load its parts until then.
const files = new Set(chunks.map(({ fileName }) => fileName))
for (const folder of ["programs", "commands", "library"]) {
  for (const file of readdirSync(`dist/${folder}`)) {
    if (!files.has(`${folder}/${file}`)) rmSync(`dist/${folder}/${file}`)
  }
}
