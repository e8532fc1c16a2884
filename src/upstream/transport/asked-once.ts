/**
 * Questions that later attempts of the same query do not send again, because that would do harm. A question that keeps
 * a server busy that answers in order would hold up another connection; one that waits because the upstream is
 * throttled would wait twice. The later attempt gets the answer of the first. All attempts of a query share one
 * question object.
 */
import type { Question } from "../../dns/question.ts"
import type { PendingRequest } from "./connection.ts"

/** So many are kept before those that are over are looked for. */
const FEW = 64

export class AskedOnce {
  private readonly requests = new Map<Question, PendingRequest>()
  private most = FEW

  add(request: PendingRequest): void {
    this.requests.set(request.requester.question, request)
    if (this.requests.size <= this.most) return
    for (const [question, { isOver }] of this.requests) if (isOver) this.requests.delete(question)
    this.most = Math.max(FEW, 2 * this.requests.size)
  }

  /** The call that asks the same already and is to answer this one too. */
  find(request: PendingRequest): PendingRequest | undefined {
    if (this.requests.size === 0) return undefined
    const { question } = request.requester
    const before = this.requests.get(question)
    if (before?.isOver === true) this.requests.delete(question)
    return before === undefined || before.isOver || !before.isLike(request) ? undefined : before
  }
}
