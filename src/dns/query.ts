/**
 * Reading a query: what a packet asks, and what is wrong with it.
 *
 * Hot path: every packet goes through `readQuery`; it allocates nothing and never reads outside the packet.
 */
import { Class, Flag, OPTION_COOKIE, OPTION_KEEPALIVE, OPTION_NSID, OPTION_PADDING, Rcode, Type } from "./codes.ts"
import { MAX_LABEL_LENGTH, MAX_NAME_LENGTH, skipName } from "./name.ts"
import { optionAt } from "./options.ts"
import { HEADER_SIZE, lastingCopyOf, NO_OCTETS, u8, u16 } from "./wire.ts"

/**
 * What `readQuery` says of a packet: one of these two, or else the rcode to answer it with (12 bits).
 *
 * **When to use**
 *
 * Use in a step before the cache, to leave alone what is no query.
 *
 * **Example** (Refusing what is a query)
 *
 * ```ts
 * import { type Packet, Query, Rcode, readQuery, sendError, Verdict } from "strand-dns"
 *
 * const query = new Query()
 * const refuse = (packet: Packet): void => {
 *   if (readQuery(query, packet.wire, packet.length) === Verdict.Accept) sendError(packet, query, Rcode.Refused)
 *   else packet.drop()
 * }
 * ```
 */
export const Verdict = {
  /** A question to be answered. */
  Accept: -1,
  /** Nothing that an answer could be sent to: shorter than a header, or itself a response. */
  Drop: -2
} as const

/** Octets that a reply over UDP may measure when the query has no OPT (RFC 1035 §4.2.1). */
const PLAIN_UDP_SIZE = 512

/**
 * A query as read from its bytes.
 *
 * **When to use**
 *
 * Use in a step before the cache, with {@link readQuery}.
 *
 * **Details**
 *
 * Reused from packet to packet: what is in it is valid until the next `readQuery`. `detach` makes a copy that lasts.
 *
 * **Example** (One for all packets)
 *
 * ```ts
 * import { type Packet, Query, Rcode, readQuery, sendError, Verdict } from "strand-dns"
 *
 * const query = new Query()
 * const refuse = (packet: Packet): void => {
 *   if (readQuery(query, packet.wire, packet.length) === Verdict.Accept) sendError(packet, query, Rcode.Refused)
 *   else packet.drop()
 * }
 * ```
 */
export class Query {
  wire: Uint8Array = NO_OCTETS
  id = 0
  /** The header's second word as it came: QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE. */
  flags = 0
  /** Octets of the question's name, root included; 0 where no question could be read. */
  nameLength = 0
  /** Where the question ends; the header's end where no question could be read. */
  questionEnd: number = HEADER_SIZE
  type = 0
  class = 0
  hasOpt = false
  /** What the client can take over UDP: its OPT's size, at least 512 (RFC 6891 §6.2.3). */
  udpSize: number = PLAIN_UDP_SIZE
  dnssecOk = false
  /** Where the OPT's options start and end; both 0 where there is none, or its version is not ours. */
  optionsStart = 0
  optionsEnd = 0
  /**
   * The data of the client's ECS option where its answer depends on it, so that it is told the scope (RFC 7871 §7.2.2).
   */
  subnetOption: Uint8Array | undefined = undefined
  /** The scope that the client is told at least. */
  leastScope = 0
  /** Whether it has the option by which a client asks how long a connection may be idle (RFC 7828). */
  asksKeepalive = false
  /** Whether it is padded, so that its reply is to be too, where nobody reads it on its way (RFC 7830). */
  asksPadding = false
  /** What the client is told of that: tenths of a second; 0 where it is told nothing. */
  keepaliveTenths = 0
  /** The reply is to measure a multiple of this; 0 where it is not padded. */
  padBlock = 0
  /** Where the data of its first COOKIE option starts, and how long it is; 0 where it has none (RFC 7873 §5.2). */
  cookieStart = 0
  cookieSize = 0
  /** The cookie that the client is told; undefined for none. */
  cookie: Uint8Array | undefined = undefined
  /** Whether its cookie shows that it comes from where it says. */
  isCookieValid = false
  /** Whether it asks which server this is (RFC 5001). */
  asksNsid = false
  /** What it is told of that; undefined for nothing. */
  nsid: Uint8Array | undefined = undefined
  /** Octets that the reply may measure, whatever the client takes; 0 for as many as that. */
  sizeBound = 0

  get recursionDesired(): boolean {
    return (this.flags & Flag.RD) !== 0
  }

  get checkingDisabled(): boolean {
    return (this.flags & Flag.CD) !== 0
  }

  /** Whether the client wants to be told of authentic data: by AD or DO (RFC 6840 §5.8). */
  get wantsAuthenticData(): boolean {
    return (this.flags & Flag.AD) !== 0 || this.dnssecOk
  }

  /** A copy with header and question of its own: all that a reply needs. */
  detach(): Query {
    const copy = new Query()
    copy.wire = lastingCopyOf(this.wire, 0, this.questionEnd)
    copy.id = this.id
    copy.flags = this.flags
    copy.nameLength = this.nameLength
    copy.questionEnd = this.questionEnd
    copy.type = this.type
    copy.class = this.class
    copy.hasOpt = this.hasOpt
    copy.udpSize = this.udpSize
    copy.dnssecOk = this.dnssecOk
    const { subnetOption } = this
    if (subnetOption !== undefined) copy.subnetOption = lastingCopyOf(subnetOption, 0, subnetOption.length)
    copy.leastScope = this.leastScope
    copy.keepaliveTenths = this.keepaliveTenths
    copy.padBlock = this.padBlock
    const { cookie } = this
    if (cookie !== undefined) copy.cookie = lastingCopyOf(cookie, 0, cookie.length)
    copy.isCookieValid = this.isCookieValid
    copy.nsid = this.nsid
    copy.sizeBound = this.sizeBound
    return copy
  }
}

/**
 * Reads the packet `wire[0, length)` into `query`.
 *
 * **When to use**
 *
 * Use in a step before the cache, to learn what a packet asks.
 *
 * **Details**
 *
 * The order of the checks is the order in which faults are answered (RFC 8906 §8, RFC 9619, RFC 6891 §6.1): opcode,
 * question, records, EDNS version, options, class and type. Octets after the last record are ignored.
 *
 * **Example** (Refusing all)
 *
 * ```ts
 * import { type Packet, Query, Rcode, readQuery, sendError, Verdict } from "strand-dns"
 *
 * const query = new Query()
 * const refuse = (packet: Packet): void => {
 *   if (readQuery(query, packet.wire, packet.length) === Verdict.Accept) sendError(packet, query, Rcode.Refused)
 *   else packet.drop()
 * }
 * ```
 *
 * @returns a `Verdict`, or the rcode to answer with
 */
export const readQuery = (query: Query, wire: Uint8Array, length: number): number => {
  if (length < HEADER_SIZE) return Verdict.Drop
  const flags = u16(wire, 2)
  if ((flags & Flag.QR) !== 0) return Verdict.Drop
  query.wire = wire
  query.id = u16(wire, 0)
  query.flags = flags
  query.nameLength = 0
  query.questionEnd = HEADER_SIZE
  query.type = 0
  query.class = 0
  query.hasOpt = false
  query.udpSize = PLAIN_UDP_SIZE
  query.dnssecOk = false
  query.optionsStart = 0
  query.optionsEnd = 0
  query.subnetOption = undefined
  query.leastScope = 0
  query.asksKeepalive = false
  query.asksPadding = false
  query.keepaliveTenths = 0
  query.padBlock = 0
  query.cookieStart = 0
  query.cookieSize = 0
  query.cookie = undefined
  query.isCookieValid = false
  query.asksNsid = false
  query.nsid = undefined
  query.sizeBound = 0

  const questions = u16(wire, 4)
  const isOther = (flags & Flag.OpcodeMask) !== 0
  if (isOther || questions > 1) {
    query.hasOpt = hasOpt(wire, length, questions)
    return isOther ? Rcode.NotImp : Rcode.FormErr
  }
  if (questions === 1 && !readQuestion(query, wire, length)) return Rcode.FormErr

  const beforeAdditional = u16(wire, 6) + u16(wire, 8)
  const count = beforeAdditional + u16(wire, 10)
  let opt = 0
  let at = query.questionEnd
  for (let i = 0; i < count; i++) {
    const owner = at
    at = skipName(wire, at, length)
    if (at < 0 || at + 10 > length) return Rcode.FormErr
    const next = at + 10 + u16(wire, at + 8)
    if (next > length) return Rcode.FormErr
    if (u16(wire, at) === Type.OPT) {
      if (opt !== 0 || i < beforeAdditional || u8(wire, owner) !== 0) return Rcode.FormErr
      opt = at
      // Whatever else is wrong, who sends one is answered with one (RFC 6891 §6.1.1).
      query.hasOpt = true
    }
    at = next
  }
  if (opt !== 0) {
    query.udpSize = Math.max(u16(wire, opt + 2), PLAIN_UDP_SIZE)
    query.dnssecOk = (u8(wire, opt + 6) & 0x80) !== 0
    if (u8(wire, opt + 5) !== 0) return Rcode.BadVers
    query.optionsStart = opt + 10
    query.optionsEnd = opt + 10 + u16(wire, opt + 8)
    if (!readOptions(query, wire)) return Rcode.FormErr
  }
  // Without a question a client asks for a cookie, and for nothing else (RFC 7873 §5.4).
  if (questions === 0) return query.cookieStart > 0 ? Rcode.NoError : Rcode.FormErr
  if (query.type === Type.OPT) return Rcode.FormErr
  if (query.class !== Class.IN || isMetaType(query.type)) return Rcode.Refused
  return query.recursionDesired ? Verdict.Accept : Rcode.Refused
}

/** Whether an OPT record stands behind so many questions: who sends one is answered with one (RFC 6891 §6.1.1). */
const hasOpt = (wire: Uint8Array, length: number, questions: number): boolean => {
  const records = u16(wire, 6) + u16(wire, 8) + u16(wire, 10)
  let at: number = HEADER_SIZE
  for (let i = 0; i < questions + records; i++) {
    at = skipName(wire, at, length)
    if (at < 0) return false
    if (i < questions) {
      at += 4
    } else {
      if (at + 10 > length) return false
      if (u16(wire, at) === Type.OPT) return true
      at += 10 + u16(wire, at + 8)
    }
    if (at > length) return false
  }
  return false
}

/** The name must be there whole and hold no pointer: there is nothing before it to point to. */
const readQuestion = (query: Query, wire: Uint8Array, length: number): boolean => {
  let at: number = HEADER_SIZE
  for (;;) {
    if (at >= length) return false
    const label = u8(wire, at)
    at += label + 1
    if (label === 0) break
    if (label > MAX_LABEL_LENGTH || at - HEADER_SIZE >= MAX_NAME_LENGTH) return false
  }
  if (at + 4 > length) return false
  query.nameLength = at - HEADER_SIZE
  query.type = u16(wire, at)
  query.class = u16(wire, at + 2)
  query.questionEnd = at + 4
  return true
}

/** Returns whether the options are whole. */
const readOptions = (query: Query, wire: Uint8Array): boolean => {
  const end = query.optionsEnd
  let at = query.optionsStart
  while (at < end) {
    if (at + 4 > end) return false
    const code = u16(wire, at)
    const length = u16(wire, at + 2)
    // A client has nothing to say in it (RFC 7828 §3.1).
    if (code === OPTION_KEEPALIVE && length === 0) query.asksKeepalive = true
    else if (code === OPTION_PADDING) query.asksPadding = true
    else if (code === OPTION_NSID) query.asksNsid = true
    else if (code === OPTION_COOKIE && query.cookieStart === 0) {
      query.cookieStart = at + 4
      query.cookieSize = length
    }
    at += 4 + length
  }
  return at === end
}

/** Types 128–255 ask for something else than records of that type; of them only ANY is answered (RFC 6895 §3.1). */
const isMetaType = (type: number): boolean => type >= 128 && type <= 255 && type !== Type.ANY

/**
 * Where the option with this code starts among the query's options; its data, not its header.
 *
 * @returns -1 where the query has none
 */
export const findOption = ({ optionsEnd, optionsStart, wire }: Query, code: number): number =>
  optionAt(wire, optionsStart, optionsEnd, code)
