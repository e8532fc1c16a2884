/** Has a thread of its own search the store: started by the first search, ended when none has come for a while. */
import { Worker } from "node:worker_threads"
import { Deferred, Effect, Schema } from "effect"
import { programAt } from "../../runtime/entry-points.ts"
import { messageOf } from "../../runtime/error-text.ts"
import type { FromSearchThread, SearchFilter, SearchResult, SearchThreadData, ToSearchThread } from "./search.ts"

const SEARCHER = programAt("telemetry/query-log/searcher")
const WITHIN_MS = 10_000
const IDLE_MS = 30_000
/** Searches that wait at most. */
const MAX_WAITING = 16
const MAX_HEAP_MIB = 128

/** The store was not searched: why. */
export class SearchFailed extends Schema.TaggedError<SearchFailed>()("SearchFailed", { message: Schema.String }) {}

type Answer = Deferred.Deferred<SearchResult, SearchFailed>

export class SearchThread {
  private readonly data: SearchThreadData
  private thread: Worker | undefined
  private readonly waiting = new Map<number, Answer>()
  private nextId = 0
  private idle: NodeJS.Timeout | undefined

  constructor(data: SearchThreadData) {
    this.data = data
  }

  search(filter: SearchFilter): Effect.Effect<SearchResult, SearchFailed> {
    return Effect.gen({ self: this }, function* () {
      if (this.waiting.size >= MAX_WAITING) return yield* failure("too many searches are waiting")
      const id = this.nextId++
      const answer = yield* Deferred.make<SearchResult, SearchFailed>()
      this.waiting.set(id, answer)
      const message: ToSearchThread = { id, filter }
      this.running().postMessage(message)
      return yield* Deferred.await(answer).pipe(
        Effect.timeoutOrElse({
          duration: WITHIN_MS,
          orElse: () => {
            // Those behind it would wait for it too.
            this.end(`nothing was found within ${WITHIN_MS / 1000} s`)
            return Deferred.await(answer)
          }
        }),
        Effect.ensuring(Effect.sync(() => this.done(id)))
      )
    })
  }

  /** Searches that are under way fail. */
  end(why: string): void {
    clearTimeout(this.idle)
    const { thread } = this
    this.thread = undefined
    void thread?.terminate()
    for (const answer of this.waiting.values()) Deferred.doneUnsafe(answer, failure(why))
    this.waiting.clear()
  }

  private running(): Worker {
    clearTimeout(this.idle)
    if (this.thread !== undefined) return this.thread
    const thread = new Worker(SEARCHER, {
      workerData: this.data,
      name: "query log search",
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB }
    })
    thread.on("message", (message: FromSearchThread) => {
      const answer = this.waiting.get(message.id)
      if (answer === undefined) return
      Deferred.doneUnsafe(answer, "result" in message ? Effect.succeed(message.result) : failure(message.error))
    })
    thread.on("error", (cause) => this.ended(thread, messageOf(cause)))
    thread.on("exit", () => this.ended(thread, "the thread that searches has ended"))
    thread.unref()
    this.thread = thread
    return thread
  }

  private ended(thread: Worker, why: string): void {
    if (thread === this.thread) this.end(why)
  }

  private done(id: number): void {
    this.waiting.delete(id)
    if (this.waiting.size > 0) return
    clearTimeout(this.idle)
    this.idle = setTimeout(() => this.end("nobody searches"), IDLE_MS)
    this.idle.unref()
  }
}

const failure = (message: string): Effect.Effect<never, SearchFailed> => Effect.fail(new SearchFailed({ message }))
