/** Questions that nobody has asked, so that each of them has to be asked upstream, and what their answers deserve. */
import { Effect } from "effect"
import { encodeQuestion, type RunningServer } from "../servers/server.ts"
import { deservedData } from "../upstreams/mirror.ts"
import { readReply } from "../wire/reply-reader.ts"
import { askMany } from "./bulk-client.ts"

let asked = 0

/** Asks for so many names at once; how many were answered as the mirror answers. */
export const goodAnswers = (server: RunningServer, count: number): Effect.Effect<number> =>
  Effect.gen(function* () {
    const first = asked
    asked += count
    const questions = Array.from({ length: count }, (_, i) => ({
      wire: encodeQuestion({ name: `n${first + i}.example.test` }, i),
      transport: "udp" as const
    }))
    const answers = yield* askMany(server.port, questions, count)
    return answers.filter((answer) => answer !== undefined && isGood(answer)).length
  })

export const isGood = (answer: Buffer): boolean =>
  readReply(answer).rcode === 0 && answer.subarray(-4).equals(deservedData(answer))
