/** What is written of each query, and where: lines, dnstap, a store that can be searched. */
import { dnstapTarget } from "../codec/dnstap-target.ts"
import { suffix } from "../codec/suffix.ts"
import { fromText, list, listOrNone, number, optional, section, textMatching, word } from "./setting.ts"

const path = (example: string) => textMatching("^/", "an absolute path, which begins with /", example)

export const queryLog = section("Query log", {
  queryLogFile: {
    schema: optional(path("/var/log/strand/queries.jsonl")),
    default: undefined,
    touches: ["telemetry"],
    meaning: "file that gets a line of JSON for each query; none by default"
  },
  queryLogMaxMb: {
    schema: number({ min: 1, max: 1_000_000, unit: "MiB" }),
    default: "100",
    touches: ["telemetry"],
    meaning: "size at which that file, or one of dnstap, is put aside, compressed, and begun anew"
  },
  queryLogMaxAgeHours: {
    schema: number({ min: 1, max: 87_600, unit: "hours" }),
    default: "24",
    touches: ["telemetry"],
    meaning: "age at which it is"
  },
  queryLogKeep: {
    schema: number({ min: 0, max: 1_000 }),
    default: "7",
    touches: ["telemetry"],
    meaning: "how many that were put aside are kept, the newest"
  },
  queryLogDnstap: {
    schema: optional(
      fromText(dnstapTarget, {
        kind: "text",
        pattern: "^([Uu][Nn][Ii][Xx]|[Ff][Ii][Ll][Ee]):/|^[Tt][Cc][Pp]:",
        examples: ["unix:/run/dnstap.sock", "tcp:192.0.2.1:6000", "file:/var/log/strand/queries.dnstap"]
      })
    ),
    default: undefined,
    touches: ["telemetry"],
    meaning: "where queries and replies go as dnstap: unix:/path, tcp:address:port, file:/path; nowhere by default"
  },
  queryLogStore: {
    schema: optional(path("/var/lib/strand/queries")),
    default: undefined,
    touches: ["telemetry"],
    meaning: "folder of a store (SQLite) in which queries of days can be searched; none by default"
  },
  queryLogStoreMaxMb: {
    schema: number({ min: 8, max: 1_000_000, unit: "MiB" }),
    default: "1024",
    touches: ["telemetry"],
    meaning: "size of that store at most; the oldest queries leave first"
  },
  queryLogSample: {
    schema: number({ min: 0, max: 1, integer: false }),
    default: "1",
    touches: ["telemetry"],
    meaning: "share of the queries that is logged, drawn by chance"
  },
  queryLogOnly: {
    schema: list(
      word(
        "all",
        "failed",
        "slow",
        "hit",
        "miss",
        "stale",
        "failure",
        "local",
        "special",
        "denied",
        "looped",
        "malformed",
        "limited"
      )
    ),
    default: "all",
    touches: ["telemetry"],
    isList: true,
    meaning:
      "which queries are logged: all, or those that failed, those as slow as slow_query_ms says, or by what came of them"
  },
  queryLogNames: {
    schema: listOrNone(fromText(suffix, { kind: "text", examples: ["corp.example"] })),
    default: "",
    touches: ["telemetry"],
    isList: true,
    meaning: "names whose queries are logged, with all below them; all where there is none"
  },
  queryLogClients: {
    schema: word("full", "truncated", "hashed", "none"),
    default: "full",
    touches: ["telemetry"],
    meaning:
      "how clients stand in the log: full, truncated (to a /24 or a /56), hashed (by a key made at the start), none"
  }
})
