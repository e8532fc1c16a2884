/** Start-up: from the start of the process to its first answer to a query, which it has to forward. */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { residentOctets } from "../measure/process-tree.ts"
import { MEBIBYTE, resident, type Workload } from "./workload.ts"

export const startUp: Workload = {
  name: "start-up",
  title: "Start-up",
  method: () => "From the start of the process to the first answer, fetched from NSD; asked every 2 ms. RSS then.",
  figures: [{ key: "startUpMs", title: "ms", digits: 0, better: "less" }, resident],
  rounds: ({ rounds }) => 2 * rounds + 1,
  asks: ({ role }) => role !== "floor",
  measure: Effect.fnUntraced(function* (server) {
    const running = yield* (yield* Lab).fresh(server)
    const figures = { startUpMs: running.startUpMs, residentMebibytes: residentOctets(running.pid) / MEBIBYTE }
    return [{ variant: "", figures }]
  })
}
