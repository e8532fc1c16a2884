/**
 * A line of the log as data: a time, a level, a text, and fields by name. The fields are flat and none is empty, so
 * that every line has the same shape.
 */
import { Cause, type Logger, References } from "effect"
import type { LogFields, LogLevelName, LogLine, Scalar } from "../../telemetry/log-line.ts"

export type { LogFields, LogLevelName }
export type LogEntry = LogLine

/** Names that every line has, or that only the log itself gives. */
const reserved: ReadonlySet<string> = new Set(["time", "level", "message", "worker", "error"])
/** Characters of a text at most: what others said, a stack. */
const MAX_TEXT = 8_192

/**
 * Makes an entry of the options that Effect gives a logger: texts are the message, objects and annotations are fields,
 * an error or a cause is the field `error`.
 *
 * @param worker number of the worker; undefined on the main thread
 */
export const entryOf = (options: Logger.Options<unknown>, worker?: number): LogEntry => {
  const fields: Record<string, Scalar | ReadonlyArray<Scalar>> = {}
  if (worker !== undefined) fields["worker"] = worker
  const texts: Array<string> = []
  for (const part of Array.isArray(options.message) ? options.message : [options.message]) {
    if (part instanceof Error) putError(fields, part)
    else if (isRecord(part)) putAll(fields, "", part)
    else texts.push(Array.isArray(part) ? part.map(textOf).join(", ") : textOf(part))
  }
  putAll(fields, "", options.fiber.getRef(References.CurrentLogAnnotations))
  if (options.cause.reasons.length > 0) fields["error"] = cut(Cause.pretty(options.cause))
  return {
    timeMs: options.date.getTime(),
    level: options.logLevel.toLowerCase() as LogLevelName,
    message: cut(texts.join(" ")),
    fields
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const putAll = (fields: Record<string, unknown>, prefix: string, values: Readonly<Record<string, unknown>>): void => {
  for (const [name, value] of Object.entries(values)) {
    const key = prefix === "" && reserved.has(name) ? `field.${name}` : `${prefix}${name}`
    if (isRecord(value) && !(value instanceof Error)) putAll(fields, `${key}.`, value)
    else if (Array.isArray(value)) {
      if (value.length > 0) fields[key] = value.map(scalarOf)
    } else if (value !== undefined && value !== null && value !== "") fields[key] = scalarOf(value)
  }
}

const putError = (fields: Record<string, unknown>, error: Error): void => {
  fields["error"] = cut(error.stack ?? error.message)
}

const scalarOf = (value: unknown): Scalar =>
  typeof value === "number" || typeof value === "boolean" ? value : textOf(value)

const textOf = (value: unknown): string => {
  if (typeof value === "string") return cut(value)
  if (value instanceof Error) return cut(value.message)
  return typeof value === "object" ? cut(JSON.stringify(value)) : String(value)
}

const cut = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text)

/** For machines: one object a line. */
export const formatJson = ({ timeMs, level, message, fields }: LogEntry): string =>
  JSON.stringify({ time: new Date(timeMs).toISOString(), level, message, ...fields })

/** For people; with colours on a terminal. */
export const formatPretty =
  (hasColours: boolean) =>
  ({ timeMs, level, message, fields }: LogEntry): string => {
    const { error, ...others } = fields
    const time = new Date(timeMs).toISOString().slice(11, 23)
    const word = level.toUpperCase().padEnd(5)
    const shown = Object.entries(others).map(([name, value]) => `${name}=${shownOf(value)}`)
    const line = [time, hasColours ? `\x1b[${colours[level]}m${word}\x1b[0m` : word, printable(message), ...shown].join(
      " "
    )
    // A stack has lines of its own.
    return error === undefined ? line : `${line}\n${String(error).split("\n").map(printable).join("\n")}`
  }

const colours: Record<LogLevelName, number> = { trace: 90, debug: 34, info: 32, warn: 33, error: 31, fatal: 41 }

const shownOf = (value: Scalar | ReadonlyArray<Scalar>): string =>
  Array.isArray(value) ? `[${value.map((item) => printable(String(item))).join(", ")}]` : quoted(printable(`${value}`))

const quoted = (text: string): string => (/[\s="]/.test(text) ? JSON.stringify(text) : text)

/** What others sent must not move a terminal's cursor or look like a line of its own. */
const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is they that are looked for.
  text.replace(/[\x00-\x1f\x7f-\x9f]/g, (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, "0")}`)
