/**
 * Answers that a program gives in place of the upstreams: by an effect for each question, as DNS messages.
 *
 * What a program gives is read like what an upstream sends, and written anew: a message that is not about the question
 * reaches neither a client nor the cache.
 */
import { Cause, Effect, Exit, FiberSet, type Scope } from "effect"
import { answerRulesOf } from "../config/answer-rules.ts"
import { Configuration } from "../config/configuration.ts"
import { Flag, Rcode } from "../dns/codes.ts"
import { type OwnRecord, ownRecords } from "../dns/own-answer.ts"
import { type Question, writeQuestion } from "../dns/question.ts"
import { matchReply, normalise, ReplyMatch } from "../dns/response.ts"
import { HEADER_SIZE, MAX_MESSAGE_SIZE, putU16, u16 } from "../dns/wire.ts"
import { runGuarded } from "../runtime/guard.ts"
import { Incidents } from "../runtime/incidents.ts"
import { TimerWheel } from "../runtime/timer-wheel.ts"
import { type Answer, answerOf, type Begin, DeadlinePassed, type ResolveError, UpstreamsFailed } from "./answer.ts"
import { ENDS_BEFORE_MS } from "./resolver-pool.ts"

/**
 * Answers a question with a DNS message in wire form, or fails.
 *
 * **When to use**
 *
 * Use as the type of what {@link beginBy} runs.
 *
 * **Details**
 *
 * The message's question has to be the one that was asked; its id is not looked at.
 */
export type Answering<R = never> = (question: Question) => Effect.Effect<Uint8Array, ResolveError, R>

/**
 * Makes the `begin` of a {@link ResolverPool} of an effect that answers a question.
 *
 * **When to use**
 *
 * Use for an upstream of one's own, or for the answers of a step around the upstreams.
 *
 * **Details**
 *
 * Each question is a fiber, which is interrupted when nobody waits for it any more, when the query's time is over, and
 * when the server ends. Equal questions that come at the same time are one. The answer is cached for as long as its TTLs
 * and the settings say; a negative one without SOA is not (RFC 2308 §5). Its AD bit is believed where
 * `trust_upstream_ad` is set. A rcode of `failover_rcodes`, and a message that cannot be read, are failures.
 *
 * **Example** (An upstream that knows one address)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { beginBy, messageFor, ResolverPool, Type } from "strand-dns"
 *
 * const own = Layer.effect(
 *   ResolverPool,
 *   Effect.map(
 *     beginBy((question) =>
 *       Effect.succeed(messageFor(question, [{ type: Type.A, ttlSeconds: 60, data: Uint8Array.of(192, 0, 2, 1) }]))
 *     ),
 *     (begin) => ResolverPool.of({ begin })
 *   )
 * )
 * ```
 *
 * @see {@link messageFor} for messages made of records
 */
export const beginBy = <R = never>(
  answering: Answering<R>
): Effect.Effect<Begin, never, R | Configuration | TimerWheel | Scope.Scope> =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const { nowMs } = yield* TimerWheel
    const incidents = yield* Incidents
    const run = yield* FiberSet.makeRuntime<R, Answer, ResolveError>()
    const rules = answerRulesOf(configuration)

    const answerIn = (message: Uint8Array, question: Question): Effect.Effect<Answer, UpstreamsFailed> => {
      const isReply =
        message.length <= MAX_MESSAGE_SIZE &&
        matchReply(message, message.length, u16(message, 0), question) === ReplyMatch.Reply
      const response = isReply ? normalise(message, message.length, question, rules) : undefined
      if (response === undefined) return failed(false, "a message that does not answer the question")
      const { failoverRcodes, trustUpstreamAd } = configuration.current()
      const answer = answerOf(response, trustUpstreamAd, (rcode) => failoverRcodes.some((other) => other === rcode))
      return answer === undefined ? failed(true, `no answer: rcode ${response.rcode}`) : Effect.succeed(answer)
    }
    const resolve = (question: Question): Effect.Effect<Answer, ResolveError, R> =>
      Effect.suspend(() => answering(question)).pipe(
        Effect.flatMap((message) => answerIn(message, question)),
        Effect.timeoutOrElse({
          duration: configuration.current().queryTimeoutSecs * 1000 - ENDS_BEFORE_MS,
          orElse: () => Effect.fail(new DeadlinePassed())
        })
      )
    return (question, record, asker) => {
      let isAbandoned = false
      const fiber = run(resolve(question))
      fiber.addObserver((exit) => {
        if (isAbandoned) return
        record.endedMs = nowMs()
        const outcome = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? interrupted : exit
        runGuarded(incidents, "an answer of the program's own", () => asker.onOutcome(outcome))
      })
      return {
        abandon: () => {
          isAbandoned = true
          fiber.interruptUnsafe()
        }
      }
    }
  })

const failed = (isOfQuestion: boolean, message: string): Effect.Effect<never, UpstreamsFailed> =>
  Effect.fail(new UpstreamsFailed({ isOfQuestion, message }))

/** The program has interrupted its own effect. */
const interrupted = Exit.fail(new UpstreamsFailed({ isOfQuestion: false, message: "it was interrupted" }))

/**
 * A message that answers a question with records of its name.
 *
 * **When to use**
 *
 * Use with {@link beginBy} for answers of few records. Messages that come from elsewhere, or are made by a codec such as
 * `dns-packet`, are given as they are.
 *
 * **Example** (An address, or no such name)
 *
 * ```ts
 * import { messageFor, type Question, Rcode, Type } from "strand-dns"
 *
 * const answer = (question: Question, address: Uint8Array | undefined): Uint8Array =>
 *   address === undefined
 *     ? messageFor(question, [], Rcode.NXDomain)
 *     : messageFor(question, [{ type: Type.A, ttlSeconds: 60, data: address }])
 * ```
 *
 * @param records their data as it stands in a message, names not compressed
 * @param rcode at most 15: larger ones need an OPT (RFC 6891 §6.1.3)
 */
export const messageFor = (
  question: Question,
  records: ReadonlyArray<OwnRecord>,
  rcode: number = Rcode.NoError
): Uint8Array => {
  const { octets, count } = ownRecords(records)
  const message = new Uint8Array(HEADER_SIZE + question.name.length + 4 + octets.length)
  putU16(message, 2, Flag.QR | Flag.RD | Flag.RA | rcode)
  putU16(message, 4, 1)
  putU16(message, 6, count)
  message.set(octets, writeQuestion(message, question, HEADER_SIZE))
  return message
}
