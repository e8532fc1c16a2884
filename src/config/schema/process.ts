/** Threads, sockets and the end. */
import { account } from "../codec/account.ts"
import { fromText, number, optional, section, word } from "./setting.ts"

export const processSettings = section("Process", {
  workers: {
    schema: number({ min: 1, max: 256 }),
    default: undefined,
    otherwise: "as many as there are processors",
    touches: ["process"],
    meaning: "worker threads; by default as many as there are processors"
  },
  datagrams: {
    schema: word("auto", "batched", "portable"),
    default: "auto",
    touches: ["process"],
    meaning: "how datagrams are moved: batched (Linux, many a system call), portable, or auto for what works here"
  },
  runAs: {
    schema: optional(fromText(account, { kind: "text", examples: ["strand", "strand:dns"] })),
    default: undefined,
    touches: ["process"],
    meaning: "user, or user:group, that the process becomes once its addresses are bound, where it is started as root"
  },
  shutdownTimeoutSecs: {
    schema: number({ min: 0, max: 300, integer: false, unit: "seconds" }),
    default: "5",
    touches: ["process"],
    meaning: "seconds that queries in flight get to finish at shutdown"
  }
})
