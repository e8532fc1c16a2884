/** Who takes a query, when the next upstream is asked, and when a query is given up. */
import { number, section, word } from "./setting.ts"

export const attempts = section("Attempts", {
  actorPoolSize: {
    schema: number({ min: 1, max: 1024 }),
    default: "20",
    touches: ["upstream"],
    meaning: "resolvers in the pool"
  },
  poolStrategy: {
    schema: word("round-robin", "least-busy"),
    default: "round-robin",
    touches: ["upstream"],
    meaning: "which resolver takes a query: round-robin, least-busy"
  },
  queryTimeoutSecs: {
    schema: number({ min: 0.05, max: 60, integer: false, unit: "seconds" }),
    default: "5",
    touches: ["query", "upstream"],
    meaning: "seconds until a query is given up: its whole deadline"
  },
  attemptTimeoutMs: {
    schema: number({ min: 10, max: 60_000, unit: "milliseconds" }),
    default: "800",
    touches: ["upstream"],
    meaning: "milliseconds until the next attempt starts at the latest; sooner where answers usually come sooner"
  },
  retries: {
    schema: number({ min: 0, max: 10 }),
    default: "2",
    touches: ["upstream"],
    meaning:
      "attempts that follow because one is late, and as many that follow an error; three at one upstream at most, the first among them"
  }
})
