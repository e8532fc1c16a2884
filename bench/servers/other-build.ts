/** Another commit of Strand, built beside this one, so that a change is judged in one run. */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { BenchProblem } from "../problem.ts"
import type { Server } from "./server.ts"
import { strandAt } from "./strand.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
/** A build of the sources prints what is wrong with them. */
const BUFFER_OCTETS = 64 << 20

const run = (directory: string, program: string, ...args: ReadonlyArray<string>): Buffer =>
  execFileSync(program, args, { cwd: directory, maxBuffer: BUFFER_OCTETS, stdio: ["ignore", "pipe", "pipe"] })

/** What npm would install: where it is the same, it is not installed again. */
const lock = (directory: string): string => readFileSync(join(directory, "package-lock.json"), "utf8")

/** Builds the commit in a directory that goes with the scope. */
export const buildOf = (ref: string): Effect.Effect<Server, BenchProblem, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-against-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    return yield* Effect.try({
      try: () => {
        const commit = run(root, "git", "rev-parse", "--short", "--verify", `${ref}^{commit}`).toString().trim()
        const tree = join(directory, "tree")
        mkdirSync(tree)
        run(root, "git", "archive", "--output", join(directory, "tree.tar"), commit)
        run(tree, "tar", "-xf", join(directory, "tree.tar"))
        if (lock(tree) === lock(root)) symlinkSync(join(root, "node_modules"), join(tree, "node_modules"))
        else run(tree, "npm", "ci", "--no-fund", "--no-audit")
        run(tree, "npm", "run", "--silent", "build")
        return strandAt(`strand@${commit}`, join(tree, "dist", "main.js"))
      },
      catch: (cause) => new BenchProblem({ message: `${ref} could not be built: ${String(cause)}` })
    })
  })
