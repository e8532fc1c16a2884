/** What queries do at the gate and with the coalescer, as effects. */
import { Effect } from "effect"
import type { Question } from "../../../src/dns/question.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import { type Admission, Shed, type WaitedTooLong } from "../../../src/query/admission/admission.ts"
import { NOT_HELD, type PermitHolder } from "../../../src/query/admission/permit-holders.ts"
import { type Coalescer, Follower } from "../../../src/query/exchange/coalescer.ts"
import type { ResolutionRecord } from "../../../src/telemetry/record.ts"
import type { Answer, Outcome, ResolveError } from "../../../src/upstream/answer.ts"
import { wireName } from "../wire/messages.ts"

/** Runs `effect` with a permit of the gate, as a query does: uninterruptible but for its waiting. */
export const runThrough = <A, E>(
  admission: Admission,
  effect: Effect.Effect<A, E>,
  deadlineMs: number,
  onAdmitted: () => void,
  name = "www.example.test",
  client = "192.0.2.1"
): Effect.Effect<A, E | Shed | WaitedTooLong> => {
  let shed = (): void => {}
  const holder: PermitHolder = {
    question: { name: wireName(name) },
    client: new TextPeer({ address: client, port: 53 }),
    heldSinceMs: NOT_HELD,
    newer: undefined,
    older: undefined,
    shed: () => shed()
  }
  const ended = Effect.callback<never, Shed>((resume) => {
    shed = () => resume(Effect.fail(new Shed()))
  })
  const held = Effect.suspend(() => {
    admission.hold(holder)
    const release = Effect.suspend(() => admission.release(holder))
    return Effect.ensuring(Effect.interruptible(Effect.raceFirst(effect, ended)), release)
  })
  const admitted = Effect.suspend(() => {
    onAdmitted()
    return held
  })
  return Effect.uninterruptible(
    Effect.flatMap(
      admission.take,
      (isFree): Effect.Effect<A, E | Shed | WaitedTooLong> =>
        isFree ? held : Effect.andThen(admission.enqueue(holder, deadlineMs), admitted)
    )
  )
}

class OneWho extends Follower {
  readonly question: Question
  readonly hash: number
  private readonly resume: (outcome: Outcome) => void
  private readonly onJoined: (record: ResolutionRecord, isShared: boolean) => void

  constructor(
    question: Question,
    hash: number,
    resume: (outcome: Outcome) => void,
    onJoined: (record: ResolutionRecord, isShared: boolean) => void
  ) {
    super()
    this.question = question
    this.hash = hash
    this.resume = resume
    this.onJoined = onJoined
  }

  override joined(record: ResolutionRecord, isShared: boolean): void {
    this.onJoined(record, isShared)
  }

  override onOutcome(outcome: Outcome): void {
    this.resume(outcome)
  }
}

/** The question's answer by way of the coalescer; who is interrupted leaves. */
export const follow = (
  coalescer: Coalescer["Service"],
  question: Question,
  hash: number,
  deadlineMs: number,
  onJoined: (record: ResolutionRecord, isShared: boolean) => void
): Effect.Effect<Answer, ResolveError> =>
  Effect.callback((resume) => {
    const follower = new OneWho(question, hash, resume, onJoined)
    coalescer.join(follower, deadlineMs)
    return Effect.sync(() => follower.leave())
  })
