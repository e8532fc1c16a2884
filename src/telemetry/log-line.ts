/** A line of the log as data: a time, a level, a text, and fields by name. */

export type LogLevelName = "trace" | "debug" | "info" | "warn" | "error" | "fatal"
export type Scalar = string | number | boolean
export type LogFields = Readonly<Record<string, Scalar | ReadonlyArray<Scalar>>>

/** Survives the way out of a thread. */
export interface LogLine {
  readonly timeMs: number
  readonly level: LogLevelName
  readonly message: string
  readonly fields: LogFields
}
