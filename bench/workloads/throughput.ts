/** As many answers as a server can give: the measurement that hot, cold, mixed and TCP share. */
import { Effect } from "effect"
import { Lab, type RunningServer } from "../lab.ts"
import { type Load, send } from "../load/dnsperf.ts"
import { cpuMicrosecondsBetween, cpuTimes, residentOctets } from "../measure/process-tree.ts"
import { cpu, type Figure, type Figures, lost, MEBIBYTE, queriesPerSecond, resident } from "./workload.ts"

export const throughputFigures: ReadonlyArray<Figure> = [queriesPerSecond, cpu, lost, resident]

/**
 * Sends the load to the server, and counts the CPU time of all its threads meanwhile.
 *
 * Only answers with NOERROR count: a server that refuses quickly is not fast.
 */
export const throughput = Effect.fnUntraced(function* (running: RunningServer, load: Omit<Load, "port">) {
  const { directory } = yield* Lab
  const before = cpuTimes(running.pid)
  const result = yield* send({ ...load, port: portFor(running, load.transport) }, directory)
  return {
    queriesPerSecond: result.succeeded / result.runSeconds,
    cpuMicroseconds: cpuMicrosecondsBetween(before, cpuTimes(running.pid)) / Math.max(1, result.succeeded),
    lost: result.lost,
    residentMebibytes: residentOctets(running.pid) / MEBIBYTE
  } satisfies Figures
})

/** Where what is sent by this transport goes. */
const portFor = ({ httpsPort, port, tlsPort }: RunningServer, transport: Load["transport"]): number =>
  transport === "dot" ? tlsPort : transport === "doh" ? httpsPort : port
