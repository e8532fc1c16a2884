/** `strand upstreams`: how they do, and taking one out of use. */
import { Effect } from "effect"
import type { Upstream } from "../../admin/api/upstreams.ts"
import { CommandFailed } from "../failure.ts"
import { count, milliseconds, percent } from "../text/amounts.ts"
import { print } from "../text/print.ts"
import { printable } from "../text/printable.ts"
import { type Style, style } from "../text/style.ts"
import { type Column, table } from "../text/table.ts"
import { openAdmin } from "./client.ts"
import type { AdminOptions } from "./place.ts"

type One = typeof Upstream.Type

const failuresOf = ({ failures }: One): number => Object.values(failures).reduce((sum, n) => sum + n, 0)

export const stateOf = ({ state, isDrained }: Pick<One, "state" | "isDrained">): string =>
  isDrained ? "drained" : state === "closed" ? "ok" : state.replace("_", "-")

const paintState = (one: One, paint: Style) =>
  one.isDrained ? paint.yellow : one.state === "closed" ? paint.green : one.state === "open" ? paint.red : paint.yellow

export const upstreamColumns: ReadonlyArray<Column<One>> = [
  { title: "upstream", text: ({ id }) => id, atMost: 48 },
  { title: "state", text: stateOf, paint: paintState },
  { title: "share", text: ({ share }) => percent(share), isNumber: true },
  { title: "attempts", text: ({ attempts }) => count(attempts), isNumber: true },
  {
    title: "failed",
    text: (one) => count(failuresOf(one)),
    isNumber: true,
    paint: (one, paint) => (failuresOf(one) > 0 ? paint.yellow : (text) => text)
  },
  { title: "p50 ms", text: ({ p50Ms }) => milliseconds(p50Ms), isNumber: true },
  { title: "p99 ms", text: ({ p99Ms }) => milliseconds(p99Ms), isNumber: true },
  { title: "in flight", text: ({ inFlight }) => count(inFlight), isNumber: true },
  { title: "groups", text: ({ groups }) => groups.join(" "), atMost: 24 }
]

export const listUpstreams = Effect.fnUntraced(function* (options: AdminOptions & { readonly isJson: boolean }) {
  const admin = yield* openAdmin(options)
  const upstreams = yield* admin.ask((client) => client.upstreams.list({}))
  const paint = yield* style
  yield* print(options.isJson, upstreams, () => table(upstreamColumns, upstreams, paint))
})

interface OfOne extends AdminOptions {
  readonly id: string
  readonly isJson: boolean
}

export const setDrained = Effect.fnUntraced(function* (isDrained: boolean, { id, ...options }: OfOne) {
  const admin = yield* openAdmin(options)
  const done = yield* admin.ask(({ upstreams }) =>
    isDrained ? upstreams.drain({ params: { id } }) : upstreams.enable({ params: { id } })
  )
  yield* print(options.isJson, done, () => [
    printable(
      done.isDrained
        ? `${done.id} is drained: it is asked no more while others can be; strand upstreams enable undoes it`
        : `${done.id} is in use`
    )
  ])
})

/** Fails where the upstream does not answer, so that a script sees it. */
export const probe = Effect.fnUntraced(function* ({ id, ...options }: OfOne) {
  const admin = yield* openAdmin(options)
  const found = yield* admin.ask(({ upstreams }) => upstreams.probe({ params: { id } }))
  const took = `${milliseconds(found.tookMs)} ms`
  const message = found.answered
    ? `${found.id} answers: ${found.rcode ?? "no rcode"} in ${took}`
    : `${found.id} does not answer: ${found.error ?? "no reason given"}, after ${took}`
  if (options.isJson) yield* print(true, found, () => [])
  else if (found.answered) yield* print(false, found, () => [printable(message)])
  if (!found.answered) return yield* new CommandFailed({ message: printable(message) })
})
