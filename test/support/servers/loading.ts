/** The configuration of an environment and a file. */
import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { ConfigProvider, Effect, type Scope } from "effect"
import { type ConfigurationError, type Loaded, load } from "../../../src/config/configuration.ts"
import { formatMistake, type Mistake } from "../../../src/config/mistakes.ts"
import { fileWith } from "../machine/files.ts"
import { saidByEditor } from "./editor.ts"

export type Environment = Readonly<Record<string, string>>

/** Somebody who is asked, where it does not matter who. */
export const UPSTREAM: Environment = { DNS_SERVER_UPSTREAMS: "192.0.2.53" }

/** Editors say nothing of a file that loads. */
export const loaded = (env: Environment, file?: string): Effect.Effect<Loaded, ConfigurationError> =>
  load(file).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
    Effect.tap(() =>
      Effect.sync(() => {
        if (file !== undefined) assert.deepStrictEqual(saidByEditor(readFileSync(file, "utf8")), [])
      })
    )
  )

export const mistakesIn = (env: Environment, file?: string): Effect.Effect<ReadonlyArray<Mistake>, Loaded> =>
  Effect.map(Effect.flip(loaded(env, file)), (error) => error.mistakes)

/** Of a file of this text, the file called `FILE`. */
export const linesOf = (
  text: string | Uint8Array,
  env: Environment = UPSTREAM
): Effect.Effect<ReadonlyArray<string>, Loaded, Scope.Scope> =>
  Effect.gen(function* () {
    const file = yield* fileWith(text, "strand.yaml")
    const mistakes = yield* mistakesIn(env, file)
    return mistakes.map((mistake) => formatMistake(mistake).replace(file, "FILE"))
  })

/** What is warned of in a configuration without mistakes. */
export const warningsOf = (
  text: string,
  env: Environment = {}
): Effect.Effect<ReadonlyArray<string>, ConfigurationError, Scope.Scope> =>
  Effect.gen(function* () {
    const file = yield* fileWith(text, "strand.yaml")
    const { warnings } = yield* loaded(env, file)
    return warnings.map((warning) => warning.replaceAll(file, "FILE"))
  })
