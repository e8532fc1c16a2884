/**
 * Which entries of the shared cache are void because they were flushed.
 *
 * Flushes are numbered, by Redis. An entry carries the number of the last flush that its writer knew when it began to
 * ask for the answer, its generation: a flush voids entries of its names whose generation is below its number. So
 * nothing has to be found and deleted, no clocks are compared, and what a server writes that has not heard of a flush
 * yet is void.
 *
 * Pure: it is told what Redis has.
 */
import { formatName, parseName } from "../../dns/name.ts"
import { isAtOrBelow, isName, type NameTest } from "../table/flush.ts"

/** Flushes that Redis keeps; older ones become one of everything. */
export const MAX_FLUSHES = 256

export type Flush = { readonly kind: "name" | "tree"; readonly name: Uint8Array } | { readonly kind: "all" }

export interface NumberedFlush {
  readonly number: number
  readonly flush: Flush
}

/** `name www.example.com`, `tree example.com` (the name and all below it), `all`. */
export const readFlush = (text: string): Flush | undefined => {
  const [kind, written, ...more] = text.trim().split(/\s+/)
  if (more.length > 0) return undefined
  if (kind === "all") return written === undefined ? { kind } : undefined
  const name = written === undefined ? undefined : parseName(written.toLowerCase())
  return name === undefined || (kind !== "name" && kind !== "tree") ? undefined : { kind, name }
}

export const formatFlush = (flush: Flush): string =>
  flush.kind === "all" ? "all" : `${flush.kind} ${formatName(flush.name)}`

/** `17 tree example.com`. */
export const readNumberedFlush = (text: string): NumberedFlush | undefined => {
  const [, number, rest] = /^(\d+) (.*)$/s.exec(text) ?? []
  const flush = rest === undefined ? undefined : readFlush(rest)
  return flush === undefined ? undefined : { number: Number(number), flush }
}

interface Kept {
  readonly number: number
  readonly isMeant: NameTest
}

export class FlushLog {
  /** Of the last flush that is known; what is asked for now has this generation. */
  generation = 0
  /** Entries of generations below are void, whatever their names. */
  private floor = 0
  /** Newest first. */
  private kept: ReadonlyArray<Kept> = []

  /** Takes the next flush; one that does not follow on what is known is not taken: the log has to be read. */
  add({ number, flush }: NumberedFlush): boolean {
    if (number !== this.generation + 1) return false
    this.generation = number
    this.keep([{ number, flush }])
    return true
  }

  /**
   * Takes the whole log as Redis has it.
   *
   * @param generation the number of the last flush
   * @param log newest first; what is numbered above that was not entered there by a server
   * @returns the flushes that were not known, oldest first; one of everything where some are forgotten
   */
  adopt(generation: number, log: ReadonlyArray<NumberedFlush>): ReadonlyArray<Flush> {
    const missed = log.filter(({ number }) => number > this.generation && number <= generation).reverse()
    const isWhole = missed.length === generation - this.generation
    this.generation = Math.max(this.generation, generation)
    if (isWhole) {
      this.keep(missed)
      return missed.map(({ flush }) => flush)
    }
    this.floor = Math.max(this.floor, missed[0]?.number ?? this.generation)
    this.kept = []
    this.keep(missed)
    return [{ kind: "all" }]
  }

  /** @param name uncompressed, in lower case */
  isVoid(generation: number, name: Uint8Array): boolean {
    if (generation < this.floor || generation > this.generation) return true
    for (const { number, isMeant } of this.kept) {
      if (number <= generation) return false
      if (isMeant(name, 0, name.length)) return true
    }
    return false
  }

  private keep(flushes: ReadonlyArray<NumberedFlush>): void {
    for (const { number, flush } of flushes) {
      if (flush.kind === "all") {
        this.floor = number
        this.kept = []
      } else {
        const isMeant = flush.kind === "name" ? isName(flush.name) : isAtOrBelow(flush.name)
        this.kept = [{ number, isMeant }, ...this.kept]
      }
    }
    const oldest = this.kept[MAX_FLUSHES]
    if (oldest === undefined) return
    this.floor = Math.max(this.floor, oldest.number)
    this.kept = this.kept.slice(0, MAX_FLUSHES)
  }
}
