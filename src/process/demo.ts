/** The way into the demo, as `main.ts` is into the server. */
import "./node-version.ts"

await import("./demo-walk.ts")
