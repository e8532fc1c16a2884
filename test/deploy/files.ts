/** The files of `deploy/`, and what the server makes of the settings in them. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { ConfigProvider, Effect } from "effect"
import { parse, parseAllDocuments } from "yaml"
import { type Loaded, load } from "../../src/config/configuration.ts"
import { settingNames, variableName } from "../../src/config/schema/settings.ts"

/** @param path from the folder of the repository */
export const pathOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export const textOf = (path: string): string => readFileSync(pathOf(path), "utf8")

// What is expected of it is looked at by the tests.
// biome-ignore lint/suspicious/noExplicitAny: a YAML file's content has any shape
export type Yaml = any

export const yamlOf = (path: string): Yaml => parse(textOf(path), { merge: true })

export const yamlsOf = (path: string): ReadonlyArray<Yaml> =>
  parseAllDocuments(textOf(path)).map((document) => document.toJS())

/** The configuration as the server would be started with. */
export const configured = (path: string, environment: Record<string, string> = {}): Promise<Loaded> =>
  load(pathOf(path)).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: environment })),
    Effect.runPromise
  )

const variables = new Set(settingNames.map(variableName))

/** Names in an environment that look like settings and are none. */
export const unknownVariables = (names: Iterable<string>): ReadonlyArray<string> =>
  [...names].filter((name) => /^(DNS_SERVER_|OTEL_)/.test(name) && !variables.has(name))

/** For the tokens of a test. */
export const TOKEN = "0123456789abcdef0123456789abcdef"
