/** `strand explain`: what happens to a question, step by step. */
import { Effect } from "effect"
import type { Explanation } from "../../admin/api/queries.ts"
import { milliseconds } from "../text/amounts.ts"
import { print } from "../text/print.ts"
import { printable } from "../text/printable.ts"
import { type Style, style } from "../text/style.ts"
import { openAdmin } from "./client.ts"
import { given } from "./given.ts"
import type { AdminOptions } from "./place.ts"
import { waterfall } from "./waterfall.ts"

interface ExplainOptions extends AdminOptions {
  readonly name: string
  readonly type: string | undefined
  readonly client: string | undefined
  readonly clientName: string | undefined
  readonly isAsking: boolean
  readonly isJson: boolean
}

export const explain = Effect.fnUntraced(function* (options: ExplainOptions) {
  const { name, type, client, clientName } = options
  const admin = yield* openAdmin(options)
  const ask = options.isAsking ? true : undefined
  const found = yield* admin.ask(({ queries }) =>
    queries.explain({ payload: given({ name, type, client, clientName, ask }) })
  )
  const paint = yield* style
  yield* print(options.isJson, found, () => explanationLines(found, paint))
})

const explanationLines = (found: typeof Explanation.Type, paint: Style): ReadonlyArray<string> => {
  const widths = [
    Math.max(...found.steps.map(({ step }) => step.length), 0),
    Math.max(...found.steps.map(({ outcome }) => outcome.length), 0)
  ] as const
  const steps = found.steps.map(({ step, outcome, detail, isFinal }) => {
    const line = `${printable(step).padEnd(widths[0])}  ${printable(outcome).padEnd(widths[1])}  ${printable(detail)}`
    return isFinal ? paint.green(`▶ ${line.trimEnd()}`) : `  ${line.trimEnd()}`
  })
  const title = paint.bold(printable(`${found.name} ${found.type} from ${found.client}`))
  return [title, "", ...steps, ...answerLines(found.answer, paint)]
}

const answerLines = (answer: (typeof Explanation.Type)["answer"], paint: Style): ReadonlyArray<string> =>
  answer === null
    ? []
    : [
        "",
        `asked: ${paint.bold(printable(answer.rcode))} in ${milliseconds(answer.tookMs)} ms`,
        ...answer.records.map((record) => `  ${printable(record)}`),
        ...(answer.attempts.length === 0 ? [] : ["", ...waterfall(answer.attempts, answer.tookMs, paint)])
      ]
