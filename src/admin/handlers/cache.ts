/** The cache: how full it is, what it holds for a name, forgetting. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { formatFlush } from "../../cache/shared/flush-log.ts"
import { parseName } from "../../dns/name.ts"
import { typeNumber } from "../../dns/record-types.ts"
import { AdminApi } from "../api/api.ts"
import { NotNow, NotUnderstood } from "../api/errors.ts"
import { entriesOf, questionsFor } from "../cache-entries.ts"
import { Sources } from "../sources.ts"

export const cacheHandlers = HttpApiBuilder.group(
  AdminApi,
  "cache",
  Effect.fnUntraced(function* (handlers) {
    const sources = yield* Sources
    const { cache, configuration, supervisor } = sources
    return handlers.handleAll({
      read: ({ query }) =>
        Effect.gen(function* () {
          const { entries, bytes, capacity, hits, misses, stores, evictions } = cache.statistics()
          const found =
            query.name === undefined ? [] : entriesOf(sources, yield* nameOf(query.name), yield* typeOf(query.type))
          return {
            entries,
            bytes,
            sizeBytes: capacity,
            hits,
            misses,
            stored: stores,
            evictions,
            isShared: configuration.current().redisUrl !== undefined,
            found
          }
        }),
      forget: ({ query }) =>
        Effect.gen(function* () {
          const { all, name, subtree } = query
          const type = yield* typeOf(query.type)
          const vague = vagueness({ all, name, subtree, type })
          if (vague !== undefined) return yield* new NotUnderstood({ message: vague })
          const wire = name === undefined ? undefined : yield* nameOf(name)
          const kind = subtree === true ? "tree" : "name"
          const forgetting =
            wire === undefined
              ? Effect.as(supervisor.flushAll, cache.statistics().entries)
              : type !== undefined
                ? supervisor.flushQuestions(questionsFor(configuration.current(), wire, type))
                : subtree === true
                  ? supervisor.flushTree(wire)
                  : supervisor.flushName(wire)
          const forgotten = yield* Effect.mapError(forgetting, ({ message }) => new NotNow({ message }))
          const isToldToOthers = configuration.current().redisUrl !== undefined
          if (isToldToOthers) {
            // There everything under a name is forgotten together, whatever its type.
            const flush = formatFlush(wire === undefined ? { kind: "all" } : { kind, name: wire })
            const told = yield* Effect.mapError(
              supervisor.ask({ kind: "flush-shared", flush }),
              ({ message }) => new NotNow({ message })
            )
            if (told.kind === "flushed" && told.error !== undefined) {
              return yield* new NotNow({ message: `forgotten here, but Redis did not take it: ${told.error}` })
            }
          }
          yield* Effect.logInfo("answers forgotten by the admin API", { name: name ?? "all", subtree, forgotten })
          return { forgotten, isToldToOthers }
        })
    })
  })
)

/** What would be taken for a small step and is a large one. */
const vagueness = (asked: {
  readonly all: boolean | undefined
  readonly name: string | undefined
  readonly subtree: boolean | undefined
  readonly type: number | undefined
}): string | undefined => {
  const { all, name, subtree, type } = asked
  if (name === "") return "name: a name, or all=true for everything; . is the root"
  if (name === undefined && (subtree === true || type !== undefined))
    return "name: a name, for which type and subtree hold"
  if (name === undefined && all !== true) return "name: a name, or all=true for everything"
  if (name !== undefined && all === true) return "all: everything, so that no name may stand beside it"
  if (type !== undefined && subtree === true)
    return "subtree: all types of all names below, so that no type may stand beside it"
  return undefined
}

const nameOf = (text: string): Effect.Effect<Uint8Array, NotUnderstood> =>
  Effect.suspend(() => {
    const name = parseName(text)
    return name === undefined
      ? Effect.fail(new NotUnderstood({ message: "name: a name such as www.example.com" }))
      : Effect.succeed(name)
  })

const typeOf = (text: string | undefined): Effect.Effect<number | undefined, NotUnderstood> =>
  Effect.suspend(() => {
    if (text === undefined) return Effect.undefined
    const type = typeNumber(text)
    return type === undefined
      ? Effect.fail(new NotUnderstood({ message: "type: a type such as AAAA or TYPE65" }))
      : Effect.succeed(type)
  })
