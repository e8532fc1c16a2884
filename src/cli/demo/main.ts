/** The way into the demo, as `main.ts` is into the server. */
import "../../process/start/node-version.ts"

await import("./walk.ts")
