/**
 * Questions that later attempts do not ask again, for that would do harm: one that a server that answers in order is busy
 * with would hold up another connection, one that waits because the upstream is asked too much would stand in line twice.
 * A later attempt has the answer of the first. The attempts of one query have the question in common, as an object.
 */
import type { Question } from "../dns/question.ts"
import type { Call } from "./connection.ts"

/** So many are kept before those that are over are looked for. */
const FEW = 64

export class AskedOnce {
  private readonly calls = new Map<Question, Call>()
  private most = FEW

  add(call: Call): void {
    this.calls.set(call.exchange.question, call)
    if (this.calls.size <= this.most) return
    for (const [question, { isOver }] of this.calls) if (isOver) this.calls.delete(question)
    this.most = Math.max(FEW, 2 * this.calls.size)
  }

  /** The call that asks the same already and is to answer this one too. */
  find(call: Call): Call | undefined {
    if (this.calls.size === 0) return undefined
    const { question } = call.exchange
    const before = this.calls.get(question)
    if (before?.isOver === true) this.calls.delete(question)
    return before === undefined || before.isOver || !before.isLike(call) ? undefined : before
  }
}
