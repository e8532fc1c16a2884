import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

/** What real time decides in: they mostly wait, so that three files at once, with nothing beside them, have time enough. */
const serial = [
  "both-down",
  "crowd",
  "faults",
  "hostile-files",
  "live-settings",
  "shared-tier-failures",
  "upstream-streams"
].map((name) => `test/integration/${name}.test.ts`)

const entryPoints = fileURLToPath(new URL("test/support/machine/entry-points.ts", import.meta.url))

export default defineConfig({
  resolve: { alias: [{ find: /^.*\/runtime\/entry-points\.ts$/, replacement: entryPoints }] },
  test: {
    // For one that waits for what never comes: a busy machine needs a tenth of it.
    testTimeout: 240_000 * Number(process.env["FUZZ_FACTOR"] ?? "1"),
    hookTimeout: 240_000,
    projects: [
      {
        extends: true,
        test: {
          name: "parallel",
          include: ["test/**/*.test.ts"],
          exclude: serial,
          // They leave nothing behind in their process: what all of them load is loaded once.
          isolate: false,
          // Most tests wait for sockets, clocks and processes: more files at once than there are processors to spare.
          maxWorkers: 6,
          sequence: { groupOrder: 1 }
        }
      },
      {
        extends: true,
        test: { name: "serial", include: serial, isolate: false, maxWorkers: 4, sequence: { groupOrder: 2 } }
      }
    ]
  }
})
