/** What the benchmark has to know of a server to start it and to compare it. */
import type { Command } from "../process.ts"

/** What a server is told; each puts it in its own words. All addresses are 127.0.0.1. */
export interface Assignment {
  /** Where it answers, by UDP and, where it can, TCP. */
  readonly port: number
  /** Where it answers by TLS and HTTPS, where it can, and by which certificate: files in PEM. */
  readonly tlsPort: number
  readonly httpsPort: number
  readonly certificateFile: string
  readonly keyFile: string
  /** A temporary directory of its own. */
  readonly directory: string
  /** Whom it forwards to. */
  readonly upstreamPort: number
  /** Names that its cache must have room for. */
  readonly cachedNames: number
  /** Queries that may wait for the upstream at once. */
  readonly waiting: number
  /** Milliseconds within which the upstream may be expected to answer. */
  readonly upstreamTimeoutMs: number
  /** Threads that answer. */
  readonly threads: number
}

export interface Server {
  readonly name: string
  /** The program, and the Debian package it is in; neither where the benchmark brings it. */
  readonly needs: { readonly program: string; readonly debianPackage: string } | undefined
  /** `floor` answers without doing anything: about what the kernel costs; no lower bound. */
  readonly role: "strand" | "peer" | "floor"
  /** Whether its work for TCP can be measured: a process that is gone takes its count of CPU time along. */
  readonly hasMeasurableTcp: boolean
  /** Whether it can answer on several threads. */
  readonly hasThreads: boolean
  /** Whether it answers by TLS and HTTPS. */
  readonly isEncrypted: boolean
  /** Files to write before the start, by name, relative to its directory. */
  readonly files: (assignment: Assignment) => Readonly<Record<string, string>>
  /** `program` is the path of the program that it needs. */
  readonly command: (assignment: Assignment, program: string) => Command
}
