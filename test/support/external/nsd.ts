/** A real authoritative server, NSD, with zones of the test's making. */
import { Effect, type Scope } from "effect"
import { freePort } from "../machine/ports.ts"
import { awaitAnswers, runProgram } from "./programs.ts"
import { findTool } from "./tools.ts"

export const nsd = findTool("nsd")

const configuration = (port: number, origins: ReadonlyArray<string>): string => `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  zonesdir: {directory}
  pidfile: {directory}/nsd.pid
  database: ""
  server-count: 1
  xfrdfile: {directory}/xfrd.state
  zonelistfile: {directory}/zone.list
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  refuse-any: no
  tcp-count: 200
remote-control:
  control-enable: no
${origins.map((origin, i) => `zone:\n  name: "${origin}"\n  zonefile: zone${i}\n`).join("")}`

/**
 * Serves the zones on a free port, UDP and TCP; what lies outside them is REFUSED.
 *
 * @param zones zone files by their origin, without the dot at its end
 * @returns the port
 */
export const startNsd = (zones: Readonly<Record<string, string>>): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function* () {
    const port = yield* freePort
    const origins = Object.keys(zones)
    const files = Object.fromEntries(Object.values(zones).map((zone, i) => [`zone${i}`, zone]))
    yield* runProgram({
      command: nsd!,
      args: ["-d", "-c", "{directory}/nsd.conf"],
      files: { ...files, "nsd.conf": configuration(port, origins) }
    })
    yield* awaitAnswers(port, origins[0]!)
    return port
  })
