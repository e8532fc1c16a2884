/** The authoritative server behind all of them: NSD with one zone, in which every name exists. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { freePort } from "../free-port.ts"
import { timeUntilAnswer } from "../load/probe.ts"
import { BenchProblem } from "../problem.ts"
import { type RunningProcess, start } from "../process.ts"
import { findProgram } from "../programs.ts"

/** Every name below it has an address, with a TTL of an hour. */
export const ZONE = "example.test"
/** The same with a TTL of a minute: what is asked often has to be asked for again. */
export const SHORT_LIVED_ZONE = `short.${ZONE}`

const zone = `$ORIGIN ${ZONE}.
$TTL 3600
@ IN SOA ns1 host 1 3600 600 86400 300
@ IN NS ns1
ns1 IN A 127.0.0.1
* IN A 192.0.2.1
*.short 60 IN A 192.0.2.2
`

const configuration = (port: number, directory: string): string => `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  zonesdir: ${directory}
  pidfile: ${directory}/nsd.pid
  database: ""
  server-count: 1
  xfrdfile: ${directory}/xfrd.state
  zonelistfile: ${directory}/zone.list
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: ${ZONE}
  zonefile: example.zone
`

export interface Nsd {
  readonly port: number
  readonly process: RunningProcess
}

export const startNsd = (parent: string): Effect.Effect<Nsd, BenchProblem, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = join(parent, "nsd")
    const port = yield* freePort
    const program = findProgram("nsd")
    if (program === undefined) return yield* new BenchProblem({ message: "nsd is not installed" })
    mkdirSync(directory)
    writeFileSync(join(directory, "example.zone"), zone)
    writeFileSync(join(directory, "nsd.conf"), configuration(port, directory))
    const process = yield* start({ program, args: ["-d", "-c", "nsd.conf"] }, directory)
    yield* timeUntilAnswer(port, `start.${ZONE}`)
    return { port, process }
  })
