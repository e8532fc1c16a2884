/**
 * Compares Strand's replies with those of another forwarder: rcode, flags, question, OPT, and the answer section as a
 * set of records, TTLs aside.
 *
 * Where a rule of ours says otherwise than the other forwarder does, the difference is counted under that rule's name.
 * A truncated reply holds whatever fits: that both are truncated is compared, not what they kept. What a failure
 * carries besides (Unbound sends the beginning of a chain that broke) is of no use to anyone.
 */

import type { Asked } from "../support/wire/questions.ts"
import { type ReadReply, readReply } from "../support/wire/reply-reader.ts"

export interface Comparison {
  readonly differences: ReadonlyArray<string>
  /** How many differences each rule explained. */
  readonly exceptions: Readonly<Record<string, number>>
}

interface Replies {
  readonly ours: ReadonlyArray<Buffer | undefined>
  readonly theirs: ReadonlyArray<Buffer | undefined>
  /** Of the authoritative server behind both. */
  readonly authority: ReadonlyArray<Buffer | undefined>
}

const NS = 2
const CNAME = 5
const DNAME = 39
const SOA = 6
const ANY = 255
const SERVFAIL = 2

const answersOf = (reply: ReadReply): string =>
  reply.answers
    .map(({ owner, type, class: recordClass, data }) => `${owner} ${recordClass} ${type} ${data}`)
    .sort()
    .join("\n")

const essenceOf = (reply: ReadReply) => ({
  rcode: reply.rcode,
  opcode: reply.opcode,
  flags: reply.flags,
  question: reply.question,
  answers: reply.flags.includes("TC") ? "truncated" : reply.rcode === SERVFAIL ? "none" : answersOf(reply),
  opt: JSON.stringify(reply.opts.map((opt) => ({ ...opt, options: [] }))),
  rest: reply.rest
})

/** A delegation, at the name asked for or where its aliases lead. */
const isReferral = (reply: ReadReply): boolean =>
  reply.rcode === 0 &&
  reply.answers.every(({ type }) => type === CNAME || type === DNAME) &&
  reply.authorities.some(({ type }) => type === NS) &&
  !reply.authorities.some(({ type }) => type === SOA)

/** A reply that is meant to differ, by the rule that says so. */
const rules: Readonly<Record<string, (asked: Asked, ours: ReadReply, authority: ReadReply) => boolean>> = {
  "a referral is an upstream's failure (RFC 2308 §2.2); Unbound passes it on": (_asked, ours, authority) =>
    ours.rcode === SERVFAIL && isReferral(authority),
  "ANY is kept under its own key, as the upstream gave it; Unbound makes it up of what it has": (
    asked,
    ours,
    authority
  ) =>
    asked.type === ANY &&
    ours.rcode === authority.rcode &&
    (ours.flags.includes("TC") || answersOf(ours) === answersOf(authority))
}

const differencesOf = (ours: ReadReply, theirs: ReadReply): ReadonlyArray<string> => {
  const [mine, other] = [essenceOf(ours), essenceOf(theirs)]
  return (Object.keys(mine) as Array<keyof typeof mine>)
    .filter((part) => mine[part] !== other[part])
    .map((part) => `${part}: ${String(mine[part]).slice(0, 160)} instead of ${String(other[part]).slice(0, 160)}`)
}

export const compareReplies = (questions: ReadonlyArray<Asked>, replies: Replies): Comparison => {
  const differences: Array<string> = []
  const exceptions: Record<string, number> = {}
  questions.forEach((asked, i) => {
    const [ours, theirs, authority] = [replies.ours[i], replies.theirs[i], replies.authority[i]]
    if (ours === undefined || theirs === undefined || authority === undefined) {
      const silent = ours === undefined ? "Strand" : theirs === undefined ? "the other" : "the authority"
      differences.push(`${asked.text}: no answer from ${silent}`)
      return
    }
    const read = { ours: readReply(ours), theirs: readReply(theirs), authority: readReply(authority) }
    const found = differencesOf(read.ours, read.theirs)
    if (found.length === 0) return
    const rule = Object.keys(rules).find((name) => rules[name]!(asked, read.ours, read.authority))
    if (rule === undefined) differences.push(`${asked.text}\n  ${found.join("\n  ")}`)
    else exceptions[rule] = (exceptions[rule] ?? 0) + 1
  })
  return { differences, exceptions }
}
