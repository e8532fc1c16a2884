/** Upstream behaviour at its worst: loss, doubles, lies, garbage, resets; and the right answer in the end. */

import { seeded } from "../wire/messages.ts"
import type { Reaction, WireBehaviour } from "./fake-upstream.ts"
import { mirrorReply, questionEnd } from "./mirror.ts"

const forged = (query: Buffer): Buffer => {
  const reply = mirrorReply(query)
  reply.fill(0x66, reply.length - 4)
  return reply
}

const withId = (reply: Buffer, id: number): Buffer => {
  reply.writeUInt16BE(id & 0xffff, 0)
  return reply
}

/** Another name of the same length. */
const withOtherQuestion = (query: Buffer): Buffer => {
  const reply = forged(query)
  reply[13]! ^= 1
  return reply
}

const withoutItsEnd = (reply: Buffer): Buffer => reply.subarray(0, reply.length - 3)

type Fault = (query: Buffer) => ReadonlyArray<Reaction>

const right = (query: Buffer, delayMs = 0): Reaction => ({ reply: mirrorReply(query), delayMs })

/** What may happen to a datagram; each either brings the right answer too, or none. */
const udpFaults: Readonly<Record<string, Fault>> = {
  lost: () => [],
  "lost too": () => [],
  late: (query) => [right(query, 400)],
  "later than others": (query) => [right(query, 40)],
  doubled: (query) => [right(query), right(query), right(query, 30)],
  garbage: (query) => [{ reply: withoutItsEnd(mirrorReply(query)) }],
  "less than a header": (query) => [{ reply: query.subarray(0, 5) }, right(query, 20)],
  "not a response": (query) => [{ reply: Buffer.from(query) }, right(query, 20)],
  "wrong id": (query) => [{ reply: withId(forged(query), query.readUInt16BE(0) + 1) }, right(query, 20)],
  "wrong question": (query) => [{ reply: withOtherQuestion(query) }, right(query, 20)],
  "wrong port": (query) => [{ reply: forged(query), fromElsewhere: true }, right(query, 20)],
  truncated: (query) => [{ reply: mirrorReply(query, 0x8380).subarray(0, questionEnd(query)).fill(0, 6, 8) }],
  "truncated garbage": (query) => [{ reply: withoutItsEnd(mirrorReply(query, 0x8380)) }],
  SERVFAIL: (query) => [{ reply: mirrorReply(query, 0x8182).subarray(0, questionEnd(query)).fill(0, 6, 8) }]
}

const tcpFaults: ReadonlyArray<Fault> = [
  (query) => [right(query, 30)],
  (query) => [{ reply: mirrorReply(query), resetAfter: 1 }],
  (query) => [{ reply: mirrorReply(query), resetAfter: 15 }],
  (query) => [{ reply: withoutItsEnd(mirrorReply(query)) }],
  () => [{}]
]

/**
 * Something goes wrong with three of ten messages; what is asked for the third time by UDP always goes well.
 *
 * @returns the behaviour, and how often each fault was shown
 */
export const nasty = (seed: number): { readonly behaviour: WireBehaviour; readonly shown: Map<string, number> } => {
  const random = seeded(seed)
  const asked = new Map<string, number>()
  const shown = new Map<string, number>()
  const names = Object.keys(udpFaults)
  const behaviour: WireBehaviour = (query, transport) => {
    const isFaulty = random(10) < 3
    if (transport === "tcp") return isFaulty ? tcpFaults[random(tcpFaults.length)]!(query) : [right(query)]
    const key = query.toString("latin1", 12, questionEnd(query))
    const times = (asked.get(key) ?? 0) + 1
    asked.set(key, times)
    if (!isFaulty || times > 2) return [right(query)]
    const fault = names[random(names.length)]!
    shown.set(fault, (shown.get(fault) ?? 0) + 1)
    return udpFaults[fault]!(query)
  }
  return { behaviour, shown }
}
