/** Every workload, in the order in which they run. */
import { bursts } from "./bursts.ts"
import { cold } from "./cold.ts"
import { doh, dohSingle, dot, dotSingle, handshakes } from "./encrypted.ts"
import { hot } from "./hot.ts"
import { inFlight } from "./in-flight.ts"
import { latency } from "./latency.ts"
import { memory } from "./memory.ts"
import { mixed } from "./mixed.ts"
import { scaling } from "./scaling.ts"
import { startUp } from "./start-up.ts"
import { sustained } from "./sustained.ts"
import { tcp, tcpSingle } from "./tcp.ts"
import type { Workload } from "./workload.ts"

export const allWorkloads: ReadonlyArray<Workload> = [
  hot,
  cold,
  mixed,
  tcp,
  tcpSingle,
  dot,
  dotSingle,
  doh,
  dohSingle,
  handshakes,
  bursts,
  latency,
  inFlight,
  memory,
  startUp,
  scaling,
  sustained
]
