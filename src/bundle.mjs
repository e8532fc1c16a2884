/**
 * Builds `dist` from the sources, but for the types: the programs, each with all that it uses in one file, so that a start
 * reads and compiles little (`runtime/load-program.ts` loads them); the library, which uses the packages of the program
 * that embeds it; and the dashboard, for browsers.
 *
 * Each import that waits (`await import(…)`) is a file of its own: what is not configured is not loaded.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import { build } from "rolldown"

/** What is run as a command: it loads a program. */
const ways = ["main", "cli/demo/main", "runtime/load-program"]
const programs = ["program", "cli/command-line", "cli/demo/walk"]
/** Programs of threads, which begin with a file of their own. */
const threads = [
  "process/worker/worker",
  "process/reload/loader",
  "telemetry/query-log/log-thread",
  "telemetry/query-log/searcher",
  "telemetry/query-log/indexer"
]

const from = (paths) => Object.fromEntries(paths.map((path) => [path, `src/${path}.ts`]))

const DASHBOARD = "src/admin/dashboard"

/** Native code, and what is not a module. */
const NATIVE = ["koffi"]

const common = {
  platform: "node",
  external: NATIVE,
  // Effect looks for the variables that a bundler for browsers gives.
  transform: { define: { "import.meta.env": "undefined" } }
}

/** Files in which `import.meta.url` is used lie as deep below `dist` as below `src`. */
const byPlace = { groups: [{ name: "loading", test: /src\/runtime\/(entry-points|load-program)\.ts$/ }] }

/** Collects the modules that are loaded with the entry, at once. */
const collectsLoaded = (modules) => ({
  name: "loaded-with-the-entry",
  buildEnd() {
    const collect = (id) => {
      if (modules.has(id)) return
      modules.add(id)
      for (const imported of this.getModuleInfo(id)?.importedIds ?? []) collect(imported)
    }
    for (const id of this.getModuleIds()) if (this.getModuleInfo(id).isEntry) collect(id)
  }
})

const program = (path) => {
  const modules = new Set()
  const name = path.replaceAll("/", "-")
  return {
    ...common,
    input: { [name]: `src/${path}.ts` },
    plugins: [collectsLoaded(modules)],
    output: {
      dir: "dist/programs",
      format: "cjs",
      strict: true,
      // A script that imports is told by Node that this is experimental.
      dynamicImportInCjs: false,
      comments: { legal: false, annotation: false, jsdoc: false },
      entryFileNames: "[name].cjs",
      chunkFileNames: "[name]-[hash].cjs",
      codeSplitting: { groups: [{ name, test: (id) => modules.has(id) || id.includes("rolldown/runtime") }] }
    }
  }
}

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
    ...common,
    input: from(ways),
    output: {
      dir: "dist",
      format: "esm",
      chunkFileNames: "runtime/[name].js",
      codeSplitting: byPlace
    }
  },
  ...[...programs, ...threads].map(program),
  {
    input: { index: "src/index.ts" },
    platform: "node",
    external: (id) => !id.startsWith(".") && !id.startsWith("/"),
    output: {
      dir: "dist",
      format: "esm",
      sourcemap: true,
      chunkFileNames: "library/[name]-[hash].js"
    }
  },
  {
    input: { dashboard: `${DASHBOARD}/main.ts` },
    platform: "browser",
    output: { dir: "dist/dashboard", format: "esm", minify: true, comments: false }
  }
])

const chunks = built.flatMap(({ output }) => output)
writeFileSync("dist/LICENCES.txt", licencesOf(chunks))

for (const thread of threads) {
  const file = `dist/${thread}.js`
  mkdirSync(dirname(file), { recursive: true })
  const loader = relative(dirname(file), "dist/runtime/load-program.js")
  writeFileSync(file, `import { loadProgram } from "${loader}"\n\nawait loadProgram("${thread}")\n`)
}

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
for (const folder of ["programs", "library"]) {
  for (const file of readdirSync(`dist/${folder}`)) {
    if (!files.has(`${folder}/${file}`) && !files.has(file)) rmSync(`dist/${folder}/${file}`)
  }
}
rmSync("dist/.compiled", { recursive: true, force: true })
