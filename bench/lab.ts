/**
 * The servers under measurement and what stands behind them, in a temporary directory.
 *
 * A server is either shared, started once and asked by several workloads in turn, or started for one measurement. All
 * end with the scope of the lab, and the directory goes with them.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer, Scope } from "effect"
import { makeCertificate } from "../src/io/certificate.ts"
import { freePort } from "./free-port.ts"
import { timeUntilAnswer } from "./load/probe.ts"
import { BenchProblem } from "./problem.ts"
import { type RunningProcess, start } from "./process.ts"
import { findProgram } from "./programs.ts"
import type { Assignment, Server } from "./servers/server.ts"
import { type Nsd, startNsd, ZONE } from "./upstreams/nsd.ts"

export interface RunningServer {
  readonly server: Server
  readonly port: number
  readonly tlsPort: number
  readonly httpsPort: number
  readonly pid: number
  /** Milliseconds from its start until its first answer. */
  readonly startUpMs: number
}

/** What is not said by the workload. */
type Wishes = Partial<Omit<Assignment, "port" | "tlsPort" | "httpsPort" | "certificateFile" | "keyFile" | "directory">>

const usual = { cachedNames: 1_000_000, waiting: 4096, upstreamTimeoutMs: 800, threads: 1 }

export class Lab extends Context.Service<
  Lab,
  {
    /** For files of questions and dnsperf's output. */
    readonly directory: string
    readonly nsd: Nsd
    /** The one that is shared; started when it is first asked for. */
    readonly shared: (server: Server) => Effect.Effect<RunningServer, BenchProblem>
    /** One for this scope alone. */
    readonly fresh: (server: Server, wishes?: Wishes) => Effect.Effect<RunningServer, BenchProblem, Scope.Scope>
  }
>()("strand/bench/Lab") {
  static readonly layer: Layer.Layer<Lab, BenchProblem> = Layer.effect(
    Lab,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-bench-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const nsd = yield* startNsd(directory)
      const files = certificateIn(directory)
      const shared = new Map<string, RunningServer>()
      const fresh = (server: Server, wishes: Wishes = {}) => launch(server, directory, nsd.port, files, wishes)
      return Lab.of({
        directory,
        nsd,
        fresh,
        shared: (server) =>
          Effect.gen(function* () {
            const present = shared.get(server.name)
            if (present !== undefined) return present
            const running = yield* fresh(server).pipe(Effect.provideService(Scope.Scope, scope))
            shared.set(server.name, running)
            return running
          })
      })
    })
  )
}

let launched = 0

type CertificateFiles = Pick<Assignment, "certificateFile" | "keyFile">

const DAY_MS = 86_400_000

/** One for all servers: on a curve, as most have today. */
const certificateIn = (directory: string): CertificateFiles => {
  const files = { certificateFile: join(directory, "certificate.pem"), keyFile: join(directory, "key.pem") }
  const names = ["localhost", "127.0.0.1"]
  const { pair } = makeCertificate({
    subject: "bench",
    names,
    fromMs: Date.now() - DAY_MS,
    untilMs: Date.now() + DAY_MS
  })
  writeFileSync(files.certificateFile, pair.certificate)
  writeFileSync(files.keyFile, pair.key)
  return files
}

const launch = Effect.fnUntraced(function* (
  server: Server,
  parent: string,
  nsdPort: number,
  files: CertificateFiles,
  wishes: Wishes
) {
  const program = server.needs === undefined ? "" : findProgram(server.needs.program)
  if (program === undefined) return yield* new BenchProblem({ message: `${server.name} is not installed` })
  const directory = join(parent, `${server.name}-${++launched}`)
  const [port, tlsPort, httpsPort] = [yield* freePort, yield* freePort, yield* freePort]
  const assignment = { ...usual, ...files, upstreamPort: nsdPort, ...wishes, directory, port, tlsPort, httpsPort }
  mkdirSync(directory)
  for (const [name, text] of Object.entries(server.files(assignment))) writeFileSync(join(directory, name), text)
  const running: RunningProcess = yield* start(server.command(assignment, program), directory)
  const startUpMs = yield* timeUntilAnswer(port, `start.${ZONE}`)
  return { server, port, tlsPort, httpsPort, pid: running.pid, startUpMs } satisfies RunningServer
})
