/** `strand cache`: how full it is, what it holds for a name, forgetting. */
import { Effect } from "effect"
import type { CacheEntry, CacheState } from "../../admin/api/cache.ts"
import { CommandFailed } from "../failure.ts"
import { count, duration, octets, percent } from "../text/amounts.ts"
import { print } from "../text/print.ts"
import { printable } from "../text/printable.ts"
import { type Style, style } from "../text/style.ts"
import { table } from "../text/table.ts"
import { openAdmin } from "./client.ts"
import type { AdminOptions } from "./place.ts"

interface CacheOptions extends AdminOptions {
  readonly name: string | undefined
  readonly type: string | undefined
  readonly isForgetting: boolean
  readonly isSubtree: boolean
  readonly isAll: boolean
  readonly isJson: boolean
}

export const cache = Effect.fnUntraced(function* (options: CacheOptions) {
  yield* refuseVague(options)
  if (options.isForgetting) return yield* forget(options)
  const admin = yield* openAdmin(options)
  const { name, type } = options
  const state = yield* admin.ask((client) => client.cache.read({ query: { name, type } }))
  const paint = yield* style
  yield* print(options.isJson, state, () =>
    name === undefined ? statistics(state) : entries(name, type, state.found, paint)
  )
})

/** What would be taken for a small step and is a large one, or for one that was taken. */
const refuseVague = ({ name, isForgetting, isSubtree, isAll }: CacheOptions): Effect.Effect<void, CommandFailed> => {
  const wrong =
    !isForgetting && (isSubtree || isAll)
      ? `${isSubtree ? "--subtree" : "--all"} says what to forget: --forget has to stand beside it`
      : isForgetting && name === undefined && !isAll
        ? "--forget needs a name, or --all for everything"
        : isAll && name !== undefined
          ? "--all is everything: a name cannot stand beside it"
          : undefined
  return wrong === undefined ? Effect.void : Effect.fail(new CommandFailed({ message: wrong }))
}

const forget = Effect.fnUntraced(function* (options: CacheOptions) {
  const { name, type } = options
  const admin = yield* openAdmin(options)
  const subtree = options.isSubtree ? true : undefined
  const all = options.isAll ? true : undefined
  const done = yield* admin.ask((client) => client.cache.forget({ query: { name, type, subtree, all } }))
  const answers = done.forgotten === 1 ? "1 answer" : `${count(done.forgotten)} answers`
  yield* print(options.isJson, done, () => [
    done.isToldToOthers
      ? `${answers} forgotten here; servers on the same Redis forget them too`
      : `${answers} forgotten`
  ])
})

const statistics = (state: typeof CacheState.Type): ReadonlyArray<string> => {
  const asked = state.hits + state.misses
  const rows = [
    ["answers", count(state.entries)],
    ["used", `${octets(state.bytes)} of ${octets(state.sizeBytes)}`],
    ["hits", `${count(state.hits)}${asked === 0 ? "" : ` (${percent(state.hits / asked)})`}`],
    ["misses", count(state.misses)],
    ["stored", count(state.stored)],
    ["evicted", count(state.evictions)],
    ["shared", state.isShared ? "by Redis, too" : "no"]
  ] as const
  return rows.map(([name, value]) => `${name.padEnd(9)} ${value}`)
}

type Entry = typeof CacheEntry.Type

const entries = (
  name: string,
  type: string | undefined,
  found: ReadonlyArray<Entry>,
  paint: Style
): ReadonlyArray<string> =>
  found.length === 0
    ? [`nothing is kept for ${printable(name)}${type === undefined ? "" : ` ${printable(type)}`}`]
    : found.flatMap((entry, i) => [...(i === 0 ? [] : [""]), ...entryLines(entry, paint)])

const entryLines = (entry: Entry, paint: Style): ReadonlyArray<string> => {
  const life =
    entry.remainingSeconds < 0
      ? paint.yellow(`stale for ${duration(-entry.remainingSeconds)}`)
      : `${duration(entry.remainingSeconds)} left`
  const bits = [entry.dnssecOk ? "DO" : "", entry.checkingDisabled ? "CD" : ""].filter((bit) => bit !== "")
  const kept = entry.group === null ? "" : `, for group ${printable(entry.group)}`
  return [
    `${paint.bold(printable(`${entry.name} ${entry.type}`))}  ${printable(entry.rcode)}, ${duration(entry.ageSeconds)} old, ${life}, ` +
      `${octets(entry.octets)}${bits.length === 0 ? "" : `, ${bits.join(" ")}`}${kept}`,
    ...table(
      [
        { title: "section", text: ({ section }) => section },
        { title: "name", text: ({ name }) => name },
        { title: "ttl", text: ({ ttl }) => String(ttl), isNumber: true },
        { title: "type", text: ({ type }) => type },
        { title: "data", text: ({ data }) => data }
      ],
      entry.records,
      paint
    ).map((line) => `  ${line}`)
  ]
}
