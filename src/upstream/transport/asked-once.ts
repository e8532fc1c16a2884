/**
 * Questions that later attempts of the same query do not send again, because that would do harm. A question that keeps
 * a server busy that answers in order would hold up another connection; one that waits because the upstream is
 * throttled would wait twice. The later attempt gets the answer of the first. All attempts of a query share one
 * question object.
 */
import type { Question } from "../../dns/question.ts"
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
