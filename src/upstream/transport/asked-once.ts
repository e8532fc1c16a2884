/**
 * Questions that later attempts of the same query do not send again, because that would do harm: a question that keeps
 * a server busy which answers in order would hold up another connection too; one that waits for a throttled upstream
 * would wait twice. The later attempt gets the answer to the first. All attempts of a query share one question object,
 * by which it is found.
 */
import type { Question } from "../../dns/question.ts"
import type { PendingRequest } from "./connection.ts"

/** The number of entries at which those that are over are removed. */
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

  /** The request that asks the same already, whose answer is this one's too. */
  find(request: PendingRequest): PendingRequest | undefined {
    if (this.requests.size === 0) return undefined
    const { question } = request.requester
    const before = this.requests.get(question)
    if (before?.isOver === true) this.requests.delete(question)
    return before === undefined || before.isOver || !before.isLike(request) ? undefined : before
  }
}
