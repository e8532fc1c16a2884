/** What the supervisor and the thread of the query log say to each other. */
import type { LogPlan } from "./plan.ts"

/** The ring of one worker's last queries. */
export interface Ring {
  /** From 1. */
  readonly worker: number
  readonly memory: SharedArrayBuffer
}

/** What the thread is born with. */
export interface LogThreadData {
  readonly plan: LogPlan
  readonly rings: ReadonlyArray<Ring>
  /** How far each worker's ring has been read, by its number: a thread that takes this one's place goes on there. */
  readonly positions: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
  /** This thread's row in the counters. */
  readonly row: number
  /** By which addresses are hashed. */
  readonly key: Uint8Array
}

export type ToLogThread =
  | { readonly kind: "plan"; readonly plan: LogPlan }
  | { readonly kind: "ring"; readonly ring: Ring }
  /** Writes what is there, then ends. */
  | { readonly kind: "stop" }

/** A line for the log of the server. */
export interface FromLogThread {
  readonly level: "info" | "error"
  readonly message: string
  readonly fields: Readonly<Record<string, string | number>>
}
