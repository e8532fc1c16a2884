import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Most tests wait for sockets and clocks: more files at once than there are processors to spare.
    maxWorkers: 3
  }
})
