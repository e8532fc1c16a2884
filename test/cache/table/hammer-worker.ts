/** A thread that stores and looks up without a rest, and checks every octet of every hit. */
import { parentPort, workerData } from "node:worker_threads"
import { Clock, Effect } from "effect"
import { Hammer, type HammerOptions } from "./hammer.ts"

const options = workerData as HammerOptions
const hammer = new Hammer(options, Effect.runSync(Clock.clockWith(Effect.succeed)))
while (!hammer.isToldToStop) hammer.strike()
parentPort?.postMessage(hammer.counts)
