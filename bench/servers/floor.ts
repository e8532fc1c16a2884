/** The floor: a C program that answers every query with one address and does nothing else. Needs a compiler. */
import { fileURLToPath } from "node:url"
import type { Server } from "./server.ts"

const source = fileURLToPath(new URL("../native/echo.c", import.meta.url))

export const floor: Server = {
  name: "floor",
  needs: { program: "cc", debianPackage: "gcc" },
  role: "floor",
  hasMeasurableTcp: false,
  hasThreads: false,
  isEncrypted: false,
  files: () => ({}),
  // The compiler runs first and leaves the place to what it has made.
  command: ({ port }, program) => ({
    program: "/bin/sh",
    args: ["-c", '"$0" -O2 -o echo "$1" && exec ./echo "$2"', program, source, String(port)]
  })
}
