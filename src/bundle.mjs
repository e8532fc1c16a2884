/**
 * Builds `dist` from the sources, but for the types: programs with all that they use in few files, so that a start reads and
 * compiles little, and the library, which uses the packages of the program that embeds it.
 *
 * Each import that waits (`await import(…)`) is a file of its own: what is not configured is not loaded.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { build } from "rolldown"

const programs = ["main", "process/worker/worker", "process/reload/loader", "cli/demo/main"]

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

/** The licences of the packages that are part of what is built, in one file beside it. */
const licences = {
  name: "licences",
  generateBundle(_, bundle) {
    const packages = new Set()
    for (const chunk of Object.values(bundle)) {
      for (const id of chunk.moduleIds ?? []) {
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
    this.emitFile({ type: "asset", fileName: "LICENCES.txt", source: texts.join(`\n${"-".repeat(80)}\n\n`) })
  }
}

const built = await build([
  {
    input: Object.fromEntries(programs.map((path) => [path, `src/${path}.ts`])),
    platform: "node",
    external: NATIVE,
    output: output("programs"),
    plugins: [licences]
  },
  {
    input: { index: "src/index.ts" },
    platform: "node",
    external: (id) => !id.startsWith(".") && !id.startsWith("/"),
    output: output("library")
  }
])

// What earlier builds made goes last: a program that runs may load its parts until then.
const files = new Set(built.flatMap(({ output }) => output.map(({ fileName }) => fileName)))
for (const chunks of ["programs", "library"]) {
  for (const file of readdirSync(`dist/${chunks}`)) {
    if (!files.has(`${chunks}/${file}`)) rmSync(`dist/${chunks}/${file}`)
  }
}
