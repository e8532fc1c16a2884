/**
 * The messages between the supervisor and its worker threads, and the data that a thread starts with.
 *
 * A change is made in two phases, so that all threads make it or none does: every thread is asked to prepare it; when
 * all have, they are told to commit, and when one refuses, to abandon it.
 */
import type { Written } from "../../config/snapshot.ts"
import type { Question } from "../../dns/question.ts"
import type { Endpoint } from "../../io/endpoint.ts"
import type { ListenProtocol } from "../../io/protocols.ts"
import type { GivenSocket } from "../../listener/inherited-sockets.ts"
import type { ToldAnswer, ToldProbe } from "../../runtime/operations.ts"
import type { LogEntry } from "../logging/log-entry.ts"

export type Change =
  /** The answers' table has moved. */
  | { readonly kind: "adopt-cache"; readonly memory: SharedArrayBuffer }
  /** The database of locations is another one. */
  | { readonly kind: "adopt-locations"; readonly memory: SharedArrayBuffer | undefined }
  /** Another configuration. */
  | SettingsChange
  /** Failures that are kept are to be asked for again. */
  | { readonly kind: "forget-failures" }

export interface SettingsChange {
  readonly kind: "settings"
  /** As data: see `WorkerData`. */
  readonly settings: Written
  readonly workers: number
  /** The table of answers, which may have moved. */
  readonly answers: SharedArrayBuffer
  /** The database of places; undefined where there is none. */
  readonly locations: SharedArrayBuffer | undefined
  /** Whether what failed before may not fail now. */
  readonly forgetsFailures: boolean
  /** Those of the worker's sockets that were not there before. */
  readonly sockets: ReadonlyArray<GivenSocket>
}

/** What one worker is asked to do, for people. */
export type Ask =
  | { readonly kind: "resolve"; readonly question: Question }
  | { readonly kind: "probe"; readonly upstream: string }
  | { readonly kind: "flush-shared"; readonly flush: string }

export type Told =
  | ({ readonly kind: "resolved" } & ToldAnswer)
  | ({ readonly kind: "probed" } & ToldProbe)
  /** @property error undefined where it was done, or where there is no Redis */
  | { readonly kind: "flushed"; readonly error: string | undefined }
  /** It cannot do that now. */
  | { readonly kind: "unable" }

export type ToWorker =
  | { readonly kind: "ask"; readonly id: number; readonly ask: Ask }
  | { readonly kind: "prepare"; readonly id: number; readonly change: Change }
  | { readonly kind: "commit"; readonly id: number }
  | { readonly kind: "abandon"; readonly id: number }
  /** Answers at the sockets of a worker that is away, too. */
  | { readonly kind: "stand-in"; readonly worker: number; readonly sockets: ReadonlyArray<GivenSocket> }
  /** That worker is back. */
  | { readonly kind: "stand-down"; readonly worker: number }
  /** Answers what is in flight, then ends. */
  | { readonly kind: "stop" }

export interface ListeningAt {
  readonly protocol: ListenProtocol
  readonly endpoint: Endpoint
}

export type FromWorker =
  /** @property task the thread's number for the kernel; 0 where it is not known */
  | { readonly kind: "ready"; readonly listening: ReadonlyArray<ListeningAt>; readonly task: number }
  /** It could not start. */
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "prepared"; readonly id: number; readonly refusal: string | undefined }
  /** @property listening where it listens from now on */
  | { readonly kind: "committed"; readonly id: number; readonly listening: ReadonlyArray<ListeningAt> }
  | { readonly kind: "told"; readonly id: number; readonly told: Told }
  /** A line for the log, which the supervisor writes. */
  | { readonly kind: "log"; readonly entry: LogEntry }

export type Acknowledgement = Extract<FromWorker, { readonly kind: "prepared" | "committed" }>

/** Memory that all threads share. */
export interface SharedMemory {
  readonly counters: SharedArrayBuffer
  readonly latencies: SharedArrayBuffer
  readonly gauges: SharedArrayBuffer
  /** What all threads know together of the upstreams. */
  readonly upstreams: SharedArrayBuffer
  /** What they share of TLS. */
  readonly tls: SharedArrayBuffer
  /** What they know together of clients. */
  readonly clients: SharedArrayBuffer
  /** One 32-bit cell a worker, counted up ten times a second. */
  readonly heartbeats: SharedArrayBuffer
}

export interface WorkerData {
  /** From 1. */
  readonly number: number
  readonly workers: number
  /** Of this start of the server. */
  readonly instance: string
  /**
   * The settings as they were written, with the contents of the files that they name: objects of a class cannot be sent
   * to a thread.
   */
  readonly settings: Written
  /** What others take the place of while the thread runs. It takes them out, so that nothing else keeps them. */
  readonly first: {
    answers: SharedArrayBuffer | undefined
    /** The database of locations; undefined where there is none, or none that can be read yet. */
    locations: SharedArrayBuffer | undefined
  }
  readonly memory: SharedMemory
  /** The ring of the last queries of this worker. */
  readonly recent: SharedArrayBuffer
  /** Where this thread notes its descriptors. */
  readonly descriptors: SharedArrayBuffer
  /** Sockets that the supervisor has bound for it. */
  readonly sockets: ReadonlyArray<GivenSocket>
  /** Whether sockets that it binds itself are shared with other workers. */
  readonly sharesPorts: boolean
}

export const HEARTBEAT_MS = 100
