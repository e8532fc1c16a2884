/**
 * What signals do, from the first moment on.
 *
 * | signal | |
 * | --- | --- |
 * | SIGTERM, SIGINT, SIGQUIT | the first ends the server when what is in flight is answered, the second at once |
 * | SIGHUP | reads the configuration again (`reload/follow-sources.ts`); before it was read the first time, nothing |
 * | SIGUSR1, SIGUSR2 | nothing |
 *
 * By itself Node opens its inspector to every user of the machine at SIGUSR1, and ends at SIGUSR2.
 *
 * npm hands on the SIGINT that a terminal has sent to its programs already: the same one within this time is no second.
 */
const ECHO_MS = process.env["npm_lifecycle_event"] === undefined ? 0 : 500

for (const signal of ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const) process.on(signal, () => {})

let firstMs: number | undefined

const onEnd = (): void => {
  const nowMs = performance.now()
  if (firstMs !== undefined && nowMs - firstMs >= ECHO_MS) process.exit(130)
  firstMs ??= nowMs
}

process.on("SIGINT", onEnd)
process.on("SIGTERM", onEnd)
// Those who wait for the end listen to SIGTERM.
process.on("SIGQUIT", () => process.emit("SIGTERM", "SIGTERM"))
