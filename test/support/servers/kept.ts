/** What a cache has that is still alive. */
import type { AnswerCache } from "../../../src/cache/answer-cache.ts"
import type { CachedAnswer } from "../../../src/cache/table/table.ts"
import type { Query } from "../../../src/dns/query.ts"
import type { Question } from "../../../src/dns/question.ts"

type Cache = AnswerCache["Service"]

const alive = (answer: CachedAnswer | undefined): CachedAnswer | undefined =>
  answer !== undefined && answer.remainingSeconds > 0 ? answer : undefined

/** Valid until the next lookup. */
export const lookup = (cache: Cache, query: Query): CachedAnswer | undefined => alive(cache.find(cache.keyOf(query)))

/** The same for a question that is no packet's. */
export const peek = (cache: Cache, question: Question): CachedAnswer | undefined => alive(cache.peekStale(question))
