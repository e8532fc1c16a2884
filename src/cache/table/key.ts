/**
 * What an answer is kept under: the name as it stands in a packet or in a question, type, DO and CD, the view; and the
 * client network that it is for, where it is not for everybody.
 *
 * Reused from lookup to lookup: reading the name where it is costs no copy.
 */

import { MAX_NAME_LENGTH } from "../../dns/name.ts"
import type { Query } from "../../dns/query.ts"
import type { Question } from "../../dns/question.ts"
import { SUBNET_SIZE, type Subnet } from "../../dns/subnet.ts"
import { HEADER_SIZE } from "../../dns/wire.ts"

/** Of a key's flags: the answer is for one client network, not for everybody. */
export const FOR_NETWORK = 4

export class Key {
  wire: Uint8Array = new Uint8Array(0)
  nameAt = 0
  nameLength = 0
  type = 0
  /** DO and CD, one bit each, and `FOR_NETWORK`. */
  flags = 0
  /** The fingerprint of the upstreams that are asked; 0 for those that everybody asks. */
  view = 0
  /** Of all of it, by `AnswerTable.hash`. Signed, so that it is no heap number. */
  hash = 0
  /** The name in lower case, four octets a word, as taking the hash leaves it. */
  readonly lowerName = new Int32Array((MAX_NAME_LENGTH >>> 2) + 1)
  /** The client network, where the flags say that there is one. */
  readonly network: Subnet = new Uint8Array(SUBNET_SIZE)

  ofQuery(query: Query, view: number): void {
    this.wire = query.wire
    this.nameAt = HEADER_SIZE
    this.nameLength = query.nameLength
    this.type = query.type
    this.flags = (query.dnssecOk ? 1 : 0) | (query.checkingDisabled ? 2 : 0)
    this.view = view
  }

  ofQuestion(question: Question): void {
    this.wire = question.name
    this.nameAt = 0
    this.nameLength = question.name.length
    this.type = question.type
    this.flags = (question.dnssecOk ? 1 : 0) | (question.checkingDisabled ? 2 : 0)
    this.view = question.view
  }

  /** The same for whom `network` is filled with: to be called when it is. */
  forNetwork(): void {
    this.flags |= FOR_NETWORK
  }

  forEverybody(): void {
    this.flags &= ~FOR_NETWORK
  }

  /** A number of the client network for the hash; 0 where there is none. What is kept is compared octet by octet. */
  get networkHash(): number {
    if ((this.flags & FOR_NETWORK) === 0) return 0
    let hash = 0x811c9dc5
    for (let i = 0; i < SUBNET_SIZE; i++) hash = Math.imul(hash ^ this.network[i]!, 0x01000193)
    return hash
  }
}
