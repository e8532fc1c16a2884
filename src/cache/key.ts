/**
 * What an answer is kept under: the name as it stands in a packet or in a question, type, DO and CD, the view.
 *
 * Reused from lookup to lookup: reading the name where it is costs no copy.
 */

import { MAX_NAME_LENGTH } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import type { Question } from "../dns/question.ts"
import { HEADER_SIZE } from "../dns/wire.ts"

export class Key {
  wire: Uint8Array = new Uint8Array(0)
  nameAt = 0
  nameLength = 0
  type = 0
  /** DO and CD, one bit each. */
  flags = 0
  /** Whom the answer is for: the fingerprint of the upstreams asked and of the client's network; 0 for everybody. */
  view = 0
  /** Of all of it, by `AnswerTable.hash`. Signed, so that it is no heap number. */
  hash = 0
  /** The name in lower case, four octets a word, as taking the hash leaves it. */
  readonly lowerName = new Int32Array((MAX_NAME_LENGTH >>> 2) + 1)

  ofQuery(query: Query, view: number): void {
    this.wire = query.wire
    this.nameAt = HEADER_SIZE
    this.nameLength = query.nameLength
    this.type = query.type
    this.flags = (query.dnssecOk ? 1 : 0) | (query.checkingDisabled ? 2 : 0)
    this.view = view
  }

  ofQuestion(question: Question, view: number): void {
    this.wire = question.name
    this.nameAt = 0
    this.nameLength = question.name.length
    this.type = question.type
    this.flags = (question.dnssecOk ? 1 : 0) | (question.checkingDisabled ? 2 : 0)
    this.view = view
  }
}
