/** What upstreams answer, octet by octet, behind the question as it was asked. */

import packet, { type Answer } from "dns-packet"
import { Effect } from "effect"
import { askUdp, type RunningServer } from "../support/servers/server.ts"
import type { WireBehaviour } from "../support/upstreams/fake-upstream.ts"
import { questionEnd } from "../support/upstreams/mirror.ts"
import {
  message,
  octets,
  opt,
  type Parts,
  pointer,
  QUESTION_NAME,
  query,
  question,
  record,
  soaData
} from "../support/wire/messages.ts"
import { type ReadReply, readReply } from "../support/wire/reply-reader.ts"

/** A name that is the question's, by a pointer to it. */
export const here = pointer(QUESTION_NAME)

export const NOERROR = 0x8180
export const NXDOMAIN = 0x8183
export const SERVFAIL = 0x8182

/** The response to a query: NOERROR, with nothing but its question, unless told otherwise. */
export const respond = (asked: Buffer, parts: Omit<Parts, "id" | "questions"> = {}): Buffer =>
  Buffer.from(
    message({
      id: asked.readUInt16BE(0),
      flags: NOERROR,
      questions: [asked.subarray(12, questionEnd(asked))],
      ...parts
    })
  )

/** The same to every query. */
export const always =
  (parts: Omit<Parts, "id" | "questions">): WireBehaviour =>
  (asked) => [{ reply: respond(asked, parts) }]

export const address = (ttl = 300, last = 1, owner = here): Uint8Array => record(owner, 1, ttl, [192, 0, 2, last])

/** Addresses of the name that is asked for. */
export const oneAddress: WireBehaviour = always({ answers: [address()] })

/** The SOA of the zone whose name is the question's. */
export const soa = (ttl: number, minimum = ttl): Uint8Array => record(here, 6, ttl, soaData(minimum))

/** Data of a TXT record that measures so many octets. */
export const textOf = (size: number): Uint8Array => {
  const strings: Array<Uint8Array> = []
  for (let left = size; left > 0; ) {
    const length = Math.min(255, left - 1)
    strings.push(octets([length], new Uint8Array(length).fill(0x78)))
    left -= length + 1
  }
  return octets(...strings)
}

/** Octets of the data of one record that makes the response to this query so long. */
export const roomFor = (asked: Buffer, size: number): number => size - questionEnd(asked) - 12

/** A query for this name and type, with an OPT as it is described, or none. */
export const asking = (name: string, type = 1, edns?: Parameters<typeof opt>[0], flags = 0x0100): Buffer =>
  Buffer.from(query({ flags, questions: [question(name, type)], additionals: edns === undefined ? [] : [opt(edns)] }))

/** Whether a query asks for a name with this in it, in whatever letters upstreams are asked. */
export const asksFor = (asked: Buffer, text: string): boolean =>
  asked.toString("latin1", 12, questionEnd(asked)).toLowerCase().includes(text)

export const typeIn = (asked: Buffer): number => asked.readUInt16BE(questionEnd(asked) - 4)

/** Asks by UDP. */
export const askRead = (server: RunningServer, asked: Uint8Array): Effect.Effect<ReadReply> =>
  Effect.map(askUdp(server.port, Buffer.from(asked)), readReply)

/** The TTLs of records that dns-packet has read. */
export const ttlsOf = (records: ReadonlyArray<Answer> = []): ReadonlyArray<number | undefined> =>
  records.map((each) => ("ttl" in each ? each.ttl : undefined))

/** The data of the EDNS options with this code in a message. */
export const optionsIn = (wire: Buffer, code: number): ReadonlyArray<Buffer> => {
  const opt = packet.decode(wire).additionals?.find((each) => each.type === "OPT")
  const options = (opt?.type === "OPT" ? opt.options : []) as ReadonlyArray<{ code: number; data: Buffer }>
  return options.flatMap((each) => (each.code === code ? [each.data] : []))
}

/** The same of the first one; undefined where there is none. */
export const optionIn = (wire: Buffer, code: number): Buffer | undefined => optionsIn(wire, code)[0]
