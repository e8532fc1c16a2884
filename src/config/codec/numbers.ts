/**
 * Numbers in settings: plain digits, in the unit that the setting's name ends with. What else is written is understood,
 * and refused with the number that is meant.
 */
import { Result } from "effect"
import type { Read, TextForm } from "./text-form.ts"

export type Unit = "seconds" | "milliseconds" | "hours" | "MiB"

export interface NumberOptions {
  readonly min: number
  readonly max: number
  readonly integer?: boolean
  readonly unit?: Unit
}

export const readNumber = (text: string, options: NumberOptions): Read<number> => {
  // There is one zero: `-0` is written by a slip.
  const value = /^-?(\d+(\.\d+)?|\.\d+)$/.test(text) ? Number(text) + 0 : Number.NaN
  if (isAllowed(value, options)) return Result.succeed(value)
  const { min, max, integer } = options
  const range = `${integer === false ? "a number" : "an integer"} from ${min} to ${max}`
  return Result.fail(range + meant(text, value, options))
}

const isAllowed = (value: number, { min, max, integer }: NumberOptions): boolean =>
  value >= min && value <= max && (integer === false || Number.isInteger(value))

const meant = (text: string, value: number, options: NumberOptions): string => {
  const number = Number.isNaN(value) ? understood(text, options.unit) : inOtherUnit(value, options)
  return number !== undefined && isAllowed(number, options)
    ? `: did you mean ${number}${options.unit === undefined ? "" : ` (${options.unit})`}?`
    : ""
}

/** How many of the setting's own unit one of these is. */
const factors: Readonly<Record<Unit, Readonly<Record<string, number>>>> = {
  seconds: { ms: 0.001, s: 1, sec: 1, secs: 1, m: 60, min: 60, h: 3600, d: 86_400 },
  hours: { h: 1, d: 24, w: 168 },
  milliseconds: { ms: 1, s: 1000, sec: 1000, secs: 1000, m: 60_000, min: 60_000 },
  MiB: { k: 1 / 1024, kb: 1 / 1024, kib: 1 / 1024, m: 1, mb: 1, mib: 1, g: 1024, gb: 1024, gib: 1024 }
}

/** `5s`, `64MB`, `1_000`, `1,000`, `0x10`, `1e3`. */
const understood = (text: string, unit: Unit | undefined): number | undefined => {
  const plain = text.replace(/(?<=\d)[_,' ](?=\d{3}(?!\d))/g, "")
  if (/^\+?(\d+(\.\d*)?|\.\d+)(e\+?\d{1,2})?$|^0[xo][\da-f]+$/i.test(plain)) return Number(plain)
  const [, digits, suffix] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(plain) ?? []
  if (digits === undefined || suffix === undefined || unit === undefined) return undefined
  const known = factors[unit]
  const word = suffix.toLowerCase()
  const factor = Object.hasOwn(known, word)
    ? known[word]
    : /^(milli)?seconds?$/.test(word)
      ? known[word.startsWith("m") ? "ms" : "s"]
      : undefined
  return factor === undefined ? undefined : Number((Number(digits) * factor).toPrecision(12))
}

/** Milliseconds where seconds are asked for, or the other way. */
const inOtherUnit = (value: number, { min, max, unit }: NumberOptions): number | undefined => {
  if (unit === "seconds" && value > max) return value / 1000
  if (unit === "milliseconds" && value > 0 && value < min) return value * 1000
  return undefined
}

const truths: Readonly<Record<string, boolean>> = {
  yes: true,
  on: true,
  1: true,
  y: true,
  no: false,
  off: false,
  0: false,
  n: false
}

/** `true` or `false`, however the letters are. */
export const readTruth = (text: string): Read<boolean> => {
  const word = text.toLowerCase()
  if (word === "true" || word === "false") return Result.succeed(word === "true")
  return Result.fail(Object.hasOwn(truths, word) ? `true or false: did you mean ${truths[word]}?` : "true or false")
}

/** A number in plain digits, however small: no exponent, which would not be read again. */
export const decimal = (value: number): string => {
  const [, sign = "", first = "", more = "", exponent] = /^(-?)(\d)(?:\.(\d+))?e-(\d+)$/.exec(String(value)) ?? []
  return exponent === undefined ? String(value) : `${sign}0.${"0".repeat(Number(exponent) - 1)}${first}${more}`
}

export const numberIn = (options: NumberOptions): TextForm<number> => ({
  read: (text) => readNumber(text, options),
  write: decimal
})

export const truth: TextForm<boolean> = { read: readTruth, write: String }
