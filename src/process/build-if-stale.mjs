/** Builds `dist` before a start when a source is newer than it, or says what is missing. */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"

const newest = readdirSync("src", { recursive: true })
  .map((file) => statSync(join("src", file)).mtimeMs)
  .reduce((a, b) => Math.max(a, b), 0)
const built = existsSync("dist/main.js") ? statSync("dist/.tsbuildinfo").mtimeMs : 0

if (built < newest) {
  if (existsSync("node_modules/typescript")) {
    process.exitCode = spawnSync("npm", ["run", "--silent", "build"], { stdio: "inherit" }).status ?? 1
  } else if (built === 0) {
    console.error("There is no build yet and no compiler: run `npm ci && npm run build` once, without --omit=dev.")
    process.exitCode = 1
  }
}
