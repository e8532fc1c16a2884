/**
 * Answers of the server's own, given before any other: by name, and by whom they are for.
 *
 * The records of a name that are for the same clients stand together. Of those that are for the client the narrowest are
 * given, as among rules; a type that they do not have has no records then. A client that none is for is answered as if
 * there were none.
 *
 * Hot path where there are any: one look into a map a query, no allocation. Where there are none, nothing.
 */
import packet, { type Answer } from "dns-packet"
import { asksForPlace, type Conditions } from "../config/conditions.ts"
import type { LocalAnswer } from "../config/local-answers.ts"
import { Class, Type } from "../dns/codes.ts"
import { sameName } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import type { AnswerMessage } from "../dns/reply.ts"
import { normalise } from "../dns/response.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"
import { hashOfName, makeMatch, narrowness, type PlaceOf } from "./router.ts"

/** The records of one name for some clients. */
interface Variant {
  readonly isFor: (query: Query, client: Peer) => boolean
  readonly byType: ReadonlyMap<number, LocalMessage>
  readonly all: LocalMessage
  readonly none: LocalMessage
}

interface LocalName {
  readonly name: Uint8Array
  readonly variants: ReadonlyArray<Variant>
}

interface LocalMessage extends AnswerMessage {
  turn: number
}

export type FindLocal = (query: Query, client: Peer) => AnswerMessage | undefined

/** What says the server's own answer to a query; undefined where it has none, and then where nobody has any. */
export const makeLocalAnswers = (answers: ReadonlyArray<LocalAnswer>, placeOf: PlaceOf): FindLocal | undefined => {
  if (answers.length === 0) return undefined
  const names = new Map<number, Array<LocalName>>()
  for (const [, ofName] of grouped(answers, ({ name }) => Buffer.from(name).toString("latin1"))) {
    const { name } = ofName[0]!
    const variants = [...grouped(ofName, conditionsKey).values()]
      .sort(([a], [b]) => narrowness(b!) - narrowness(a!))
      .map((records) => variantOf(name, records, placeOf))
    const hash = hashOfName(name, 0, name.length)
    names.set(hash, [...(names.get(hash) ?? []), { name, variants }])
  }
  return (query, client) => {
    const { wire, nameLength } = query
    const here = names.get(hashOfName(wire, HEADER_SIZE, HEADER_SIZE + nameLength))
    if (here === undefined) return undefined
    for (const { name, variants } of here) {
      if (name.length !== nameLength || !sameName(wire, HEADER_SIZE, name, 0, nameLength)) continue
      for (const variant of variants) {
        if (!variant.isFor(query, client)) continue
        const message = query.type === Type.ANY ? variant.all : (variant.byType.get(query.type) ?? variant.none)
        message.turn = (message.turn + 1) & 0xffff
        return message
      }
    }
    return undefined
  }
}

/** Whether what is answered depends on where clients are. */
export const answerByPlace = (answers: ReadonlyArray<LocalAnswer>): boolean => answers.some(asksForPlace)

const variantOf = (name: Uint8Array, answers: ReadonlyArray<LocalAnswer>, placeOf: PlaceOf): Variant => {
  const byType = [...grouped(answers, ({ type }) => type)].map(
    ([type, ofType]) => [type, messageOf(name, type, ofType)] as const
  )
  return {
    isFor: makeMatch(answers[0]!, placeOf),
    byType: new Map(byType),
    all: messageOf(name, Type.ANY, answers),
    none: messageOf(name, Type.A, [])
  }
}

/** A message as `writeAnswer` takes it: its question is overwritten by the client's. */
const messageOf = (name: Uint8Array, type: number, answers: ReadonlyArray<LocalAnswer>): LocalMessage => {
  const records: Array<Answer> = answers.map(({ record }) => record)
  const text = Buffer.from(name)
  const question = { name, type, class: Class.IN, dnssecOk: false, checkingDisabled: false, view: 0, origin: undefined }
  const body = packet.encode({ type: "response", answers: records })
  // dns-packet knows no question but by text: ours is put between the header and the records.
  const encoded = Buffer.concat([
    body.subarray(0, HEADER_SIZE),
    text,
    Buffer.of(type >>> 8, type, 0, Class.IN),
    body.subarray(HEADER_SIZE)
  ])
  encoded.writeUInt16BE(1, 4)
  const { wire } = normalise(encoded, encoded.length, question, { minSeconds: 0, maxSeconds: 0x7fffffff })!
  return { wire: wire.slice(), length: wire.length, ageSeconds: 0, turn: 0, scope: 0 }
}

const conditionsKey = ({ client, countries, continents }: Conditions): string =>
  JSON.stringify([client, [...countries].sort(), [...continents].sort()])

const grouped = <A, K>(items: ReadonlyArray<A>, keyOf: (item: A) => K): Map<K, Array<A>> => {
  const groups = new Map<K, Array<A>>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
