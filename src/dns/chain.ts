/** The question's chain: its name, and where CNAMEs lead from it (RFC 1034 §3.6.2). */
import { Type } from "./codes.ts"
import { MAX_NAME_LENGTH } from "./name.ts"
import { type NameTable, NO_NAME } from "./name-table.ts"
import type { Question } from "./question.ts"
import { firstName } from "./record-data.ts"
import { type RecordTable, Section } from "./record-table.ts"

/** How names relate to the chain: bits of a name's mark. */
export const Mark = {
  /** In the chain. */
  Link: 1,
  /** Above a name of the chain: its zones are among these. */
  Above: 2,
  /** Owner of a proof that a zone of the chain signed. */
  Proof: 4,
  /** Target of a record that is kept. */
  Target: 8,
  /** Above the name at which the chain ends. */
  AboveEnd: 16
} as const

const MAX_LINKS = 32

export interface Chain {
  /** The name at which it ends; `NO_NAME` of a circle. */
  readonly end: number
  readonly links: number
  /** Whether records of the type asked for are there. */
  readonly isFound: boolean
  /** Whether it leads back to one of its names, or is longer than is followed. */
  readonly isCircle: boolean
}

const circle: Chain = { end: NO_NAME, links: 0, isFound: false, isCircle: true }

/**
 * Follows the CNAMEs of the answer section from the question's name, and marks the names of the chain and those above.
 *
 * Each name is visited once, so that each record is looked at once at most. ANY is answered by the records of the name
 * itself; where one of them is a CNAME, its target is part of the chain too.
 */
export const followChain = (names: NameTable, records: RecordTable, question: Question, name: number): Chain => {
  const isAny = question.type === Type.ANY
  let isAnswered = false
  let end = name
  for (let links = 0; ; links++) {
    if ((names.marks[end]! & Mark.Link) !== 0 || links === MAX_LINKS) {
      return isAnswered ? { end, links, isFound: true, isCircle: false } : circle
    }
    markChain(names, end)
    let alias = -1
    for (let record = records.lastOf(end); record >= 0; record = records.previous(record)) {
      if (records.class[record] !== question.class) continue
      if (isAny) isAnswered = true
      const type = records.type[record]
      if (type === question.type) return { end, links, isFound: true, isCircle: false }
      if (type === Type.CNAME) alias = record
    }
    if (alias < 0) return { end, links, isFound: isAnswered, isCircle: false }
    end = firstName(names, Type.CNAME, records.dataAt[alias]!, records.dataEnd[alias]!)
  }
}

const markChain = (names: NameTable, link: number): void => {
  names.marks[link] = names.marks[link]! | Mark.Link
  markAbove(names, link, Mark.Above)
}

/** Marks the names above one, up to the first that has the mark: those above that have it too. */
const markAbove = (names: NameTable, name: number, mark: number): void => {
  const { marks, parent } = names
  for (let above = parent[name]!; above !== NO_NAME && (marks[above]! & mark) === 0; above = parent[above]!) {
    names.steps++
    marks[above] = marks[above]! | mark
  }
}

/** Whether a DNAME above the chain's end makes its name longer than a name may be (RFC 6672 §2.2). */
export const isMadeTooLong = (names: NameTable, records: RecordTable, { end }: Chain): boolean => {
  markAbove(names, end, Mark.AboveEnd)
  for (let record = 0; record < records.sectionEnd[Section.Answer]!; record++) {
    if (records.type[record] !== Type.DNAME || records.isKept[record] === 0) continue
    const owner = records.owner[record]!
    const target = firstName(names, Type.DNAME, records.dataAt[record]!, records.dataEnd[record]!)
    const size = names.size[end]! - names.size[owner]! + names.size[target]!
    if (size > MAX_NAME_LENGTH && (names.marks[owner]! & Mark.AboveEnd) !== 0) return true
  }
  return false
}
