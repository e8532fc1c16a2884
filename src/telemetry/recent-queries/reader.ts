/** The ring of one thread, as another reads it. */
import { listenProtocols } from "../../io/protocols.ts"
import { queryOutcomes } from "../query-outcome.ts"
import {
  ATTEMPT_OCTETS,
  attemptOutcomes,
  BY_TCP,
  Double,
  Float,
  HAS_REPLY,
  HAS_WAITED,
  IS_COALESCED,
  IS_IPV4,
  IS_SHARED,
  NAME_AT,
  NOTABLE_AT,
  NOTABLE_COUNT_AT,
  NOTABLE_SLOTS,
  PROTOCOL_BITS,
  RECENT_QUERIES,
  type RecentAttempt,
  type RecentQuery,
  SLOT_OCTETS,
  SLOTS_AT,
  slotAt,
  Word
} from "./ring.ts"

/** What one thread has written, as another reads it. */
export class RecentQueryReader {
  private readonly head: Int32Array
  private readonly octets: Uint8Array
  /** Those before this one are not shown. */
  private first: number | undefined

  constructor(memory: SharedArrayBuffer) {
    this.head = new Int32Array(memory, 0, NOTABLE_AT + NOTABLE_SLOTS)
    this.octets = new Uint8Array(memory, SLOTS_AT)
  }

  /** Numbers come round: what is out of the ring need not be hidden any more. */
  private isHidden(sequence: number, first: number): boolean {
    if (((this.written() - first) | 0) > RECENT_QUERIES) this.first = undefined
    return ((sequence - first) | 0) < 0
  }

  /** Shows nothing of what has been written so far. */
  hide(): void {
    this.first = this.written()
  }

  /** How many have been written, round and round in 32 bits. */
  written(): number {
    return Atomics.load(this.head, 0)
  }

  /** How many notable queries have been written: failed, slow, or with an answer past its life. In 32 bits. */
  notable(): number {
    return Atomics.load(this.head, NOTABLE_COUNT_AT)
  }

  /** The notable query of this number among the notable; undefined where it has been written over. */
  readNotable(number: number): RecentQuery | undefined {
    const sequence = this.head[NOTABLE_AT + (number & (NOTABLE_SLOTS - 1))]!
    const behind = (this.notable() - number) | 0
    return behind <= 0 || behind > NOTABLE_SLOTS / 2 ? undefined : this.read(sequence)
  }

  /** The query of this number; undefined where it has been written over, or where there was none. */
  read(sequence: number): RecentQuery | undefined {
    const start = slotAt(sequence)
    // A copy: what is decoded does not change meanwhile.
    copied.octets.set(this.octets.subarray(start, start + SLOT_OCTETS))
    const behind = (this.written() - sequence) | 0
    if (behind <= 0 || behind > RECENT_QUERIES) return undefined
    if (this.first !== undefined && this.isHidden(sequence, this.first)) return undefined
    return decodeCopied(sequence)
  }
}

/** The slot that was copied last. */
const copied = (() => {
  const memory = new ArrayBuffer(SLOT_OCTETS)
  return {
    octets: new Uint8Array(memory),
    view: new DataView(memory),
    doubles: new Float64Array(memory, 0, 2),
    words: new Uint32Array(memory),
    floats: new Float32Array(memory)
  }
})()

const decodeCopied = (sequence: number): RecentQuery | undefined => {
  const { octets, view, doubles, words: own, floats } = copied
  const numbers = own[Word.Numbers]!
  const client = own[Word.Client]!
  const lengths = own[Word.Lengths]!
  const outcome = queryOutcomes[numbers >>> 24]
  if (outcome === undefined || doubles[Double.StartedAt] === 0) return undefined
  const nameEnd = NAME_AT + (lengths & 0xff)
  const clientNameEnd = nameEnd + (lengths >>> 24)
  const attempts: Array<RecentAttempt> = []
  let at = clientNameEnd
  for (let left = (lengths >>> 8) & 0xff; left > 0 && at + ATTEMPT_OCTETS <= SLOT_OCTETS; left--) {
    attempts.push(attemptAt(view, at))
    at += ATTEMPT_OCTETS
  }
  const errorEnd = at + ((lengths >>> 16) & 0xff)
  const isIPv4 = (client & IS_IPV4) !== 0
  const hasWaited = (client & HAS_WAITED) !== 0
  return {
    sequence,
    startedAtMs: doubles[Double.StartedAt]!,
    durationMs: Math.max(0, doubles[Double.Duration]!),
    name: octets.slice(NAME_AT, nameEnd),
    type: numbers & 0xffff,
    address: [
      isIPv4 ? 0 : own[Word.Address]!,
      isIPv4 ? 0 : own[Word.Address + 1]!,
      isIPv4 ? 0 : own[Word.Address + 2]!,
      own[Word.Address + 3]!
    ],
    isIPv4,
    port: client & 0xffff,
    clientName: textBetween(nameEnd, clientNameEnd),
    protocol: listenProtocols[client >>> PROTOCOL_BITS] ?? "udp",
    outcome,
    rcode: (client & HAS_REPLY) === 0 ? -1 : (numbers >>> 16) & 0xff,
    replySize: own[Word.Sizes]!,
    isCoalesced: (client & IS_COALESCED) !== 0,
    isShared: (client & IS_SHARED) !== 0,
    lookedUpMs: hasWaited ? floats[Float.LookedUp]! : 0,
    admittedMs: hasWaited ? floats[Float.Admitted]! : 0,
    askedMs: hasWaited ? floats[Float.Asked]! : 0,
    toldMs: hasWaited ? floats[Float.Told]! : 0,
    attempts,
    error: textBetween(at, errorEnd)
  }
}

const textBetween = (from: number, to: number): string =>
  from === to ? "" : Buffer.from(copied.octets.buffer, from, to - from).toString("utf8")

const attemptAt = (view: DataView, at: number): RecentAttempt => {
  const kind = view.getUint8(at + 2)
  return {
    upstream: view.getUint16(at),
    transport: (kind & BY_TCP) === 0 ? "udp" : "tcp",
    outcome: attemptOutcomes[kind & ~BY_TCP] ?? "waiting",
    rcode: view.getInt8(at + 3),
    startedMs: view.getFloat32(at + 4),
    endedMs: view.getFloat32(at + 8)
  }
}
