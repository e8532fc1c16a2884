/** The way into the demo, as `main.ts` is into the server. */
import "../../process/start/node-version.ts"
import { loadProgram } from "../../runtime/load-program.ts"

await loadProgram<typeof import("./walk.ts")>("cli/demo/walk")
