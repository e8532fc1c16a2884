/** How much is under way at once. */
import { number, section } from "./setting.ts"

export const load = section("Load", {
  maxConcurrentQueries: {
    schema: number({ min: 1, max: 1_000_000 }),
    default: "1000",
    touches: ["query"],
    meaning: "queries that wait for upstreams at once"
  },
  maxQueuedQueries: {
    schema: number({ min: 0, max: 1_000_000 }),
    default: undefined,
    otherwise: "as max_concurrent_queries",
    touches: ["query"],
    meaning: "queries that wait in line for a place among max_concurrent_queries; by default as many"
  }
})
