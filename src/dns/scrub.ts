/**
 * Selects the records of a reply that belong to its question: others are neither kept nor passed on (RFC 2181 §5.4.1).
 *
 * They are: in the answer section the question's chain; in the authority section records of the chain's zones about
 * themselves; in the additional section addresses of names to which these lead. DNSSEC records go only to clients that
 * asked for them (RFC 4035 §3.2.1, RFC 3225 §3).
 */
import { type Chain, Mark } from "./chain.ts"
import { Type } from "./codes.ts"
import { type NameTable, NO_NAME } from "./name-table.ts"
import type { Question } from "./question.ts"
import { firstName } from "./record-data.ts"
import { type RecordTable, Section } from "./record-table.ts"

/** Where the signer's name stands in an RRSIG (RFC 4034 §3.1). */
const SIGNER_AT = 18

/** Sets `isKept` of each record that belongs to the question. */
export const keepPertinent = (names: NameTable, records: RecordTable, question: Question, chain: Chain): void => {
  const answers = records.sectionEnd[Section.Answer]!
  const authorities = records.sectionEnd[Section.Authority]!
  const additionals = records.sectionEnd[Section.Additional]!
  for (let record = 0; record < answers; record++) {
    if (isOfChain(names, records, record, question, chain)) keep(records, record, question)
  }
  if (question.dnssecOk) markProofs(names, records, answers, authorities)
  for (let record = answers; record < authorities; record++) {
    if (isOfZone(names, records, record, question.dnssecOk)) keep(records, record, question)
  }
  if (additionals === authorities) return
  for (let record = 0; record < authorities; record++) {
    if (records.isKept[record] !== 0) markTarget(names, records, record)
  }
  for (let record = authorities; record < additionals; record++) {
    if (isOfTarget(names, records, record, question.dnssecOk)) keep(records, record, question)
  }
}

const keep = (records: RecordTable, record: number, question: Question): void => {
  if (records.class[record] === question.class) records.isKept[record] = 1
}

/**
 * The records asked for at the chain's end, the CNAMEs that lead there, the DNAMEs above them (RFC 6672 §3.1); their
 * signatures for who asked for these.
 */
const isOfChain = (
  names: NameTable,
  records: RecordTable,
  record: number,
  question: Question,
  chain: Chain
): boolean => {
  const owner = records.owner[record]!
  const mark = names.marks[owner]!
  if ((mark & (Mark.Link | Mark.Above)) === 0) return false
  const type = records.type[record]!
  if (question.type === Type.ANY && (mark & Mark.Link) !== 0) return true
  if (owner === chain.end && type === question.type) return true
  const about = type === Type.RRSIG && question.dnssecOk ? records.covered(record) : type
  if (about === Type.DNAME) return (mark & Mark.Above) !== 0
  if (owner === chain.end) return about === question.type
  return about === Type.CNAME && (mark & Mark.Link) !== 0
}

/** NSEC and NSEC3 have owners outside the chain: their signatures show that they are of its zones (RFC 4035 §3.1.3). */
const markProofs = (names: NameTable, records: RecordTable, from: number, to: number): void => {
  for (let record = from; record < to; record++) {
    if (records.type[record] !== Type.RRSIG || !isProof(records.covered(record))) continue
    const signerAt = records.dataAt[record]! + SIGNER_AT
    if (signerAt >= records.dataEnd[record]!) continue
    const signer = names.read(signerAt)
    if (signer === NO_NAME || (names.marks[signer]! & (Mark.Link | Mark.Above)) === 0) continue
    const owner = records.owner[record]!
    names.marks[owner] = names.marks[owner]! | Mark.Proof
  }
}

const isProof = (type: number): boolean => type === Type.NSEC || type === Type.NSEC3

const isOfZone = (names: NameTable, records: RecordTable, record: number, dnssecOk: boolean): boolean => {
  const type = records.type[record]!
  const mark = names.marks[records.owner[record]!]!
  const about = type === Type.RRSIG && dnssecOk ? records.covered(record) : type
  if (isProof(about)) return dnssecOk && (mark & Mark.Proof) !== 0
  if (about !== Type.NS && about !== Type.SOA && (about !== Type.DS || !dnssecOk)) return false
  return (mark & (Mark.Link | Mark.Above)) !== 0
}

/** Marks the target of a record, where the type is one whose targets' addresses help (RFC 1035 §3.3, RFC 9460 §4.2). */
const markTarget = (names: NameTable, records: RecordTable, record: number): void => {
  const start = records.dataAt[record]!
  const end = records.dataEnd[record]!
  let target = NO_NAME
  switch (records.type[record]) {
    case Type.NS:
    case Type.MX:
    case Type.AFSDB:
    case Type.RT:
    case Type.SRV:
    case Type.NAPTR:
    case Type.KX:
      target = firstName(names, records.type[record]!, start, end)
      break
    case Type.SVCB:
    case Type.HTTPS:
      // The root stands for the owner (RFC 9460 §2.5.2).
      if (end - start < 3) return
      target = names.wire[start + 2] === 0 ? records.owner[record]! : names.read(start + 2)
  }
  if (target !== NO_NAME) names.marks[target] = names.marks[target]! | Mark.Target
}

const isOfTarget = (names: NameTable, records: RecordTable, record: number, dnssecOk: boolean): boolean => {
  if ((names.marks[records.owner[record]!]! & Mark.Target) === 0) return false
  const type = records.type[record]!
  switch (type === Type.RRSIG && dnssecOk ? records.covered(record) : type) {
    case Type.A:
    case Type.AAAA:
    case Type.SVCB:
    case Type.HTTPS:
      return true
    default:
      return false
  }
}

/** For an answer that another one completes, with its own authority section: keeps the chain, and its proofs. */
export const keepChainOnly = (records: RecordTable): void => {
  for (let record = records.sectionEnd[Section.Answer]!; record < records.count; record++) {
    const type = records.type[record]!
    if (!isProof(type === Type.RRSIG ? records.covered(record) : type)) records.isKept[record] = 0
  }
}

/** Keeps all records of a message that was scrubbed before. */
export const keepAll = (records: RecordTable): void => {
  records.isKept.fill(1, 0, records.count)
}

/** Records of a section that are kept. */
export const keptIn = (records: RecordTable, section: number): number => {
  let kept = 0
  const end = records.sectionEnd[section]!
  for (let record = section === Section.Answer ? 0 : records.sectionEnd[section - 1]!; record < end; record++) {
    kept += records.isKept[record]!
  }
  return kept
}
