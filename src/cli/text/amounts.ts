/** Numbers as people read them. */

export const milliseconds = (ms: number): string =>
  ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : String(Math.round(ms))

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** Thousands apart: `12,345`. */
export const count = (n: number): string => Math.round(n).toLocaleString("en-US")

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"]

export const octets = (n: number): string => {
  const power = n < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(n) / 10))
  return power === 0 ? `${n} B` : `${(n / 1024 ** power).toFixed(1)} ${UNITS[power]}`
}

/** `3d 4h`, `5m 12s`. */
export const duration = (seconds: number): string => {
  const whole = Math.floor(seconds)
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"]
  ] as const
  const first = parts.findIndex(([n]) => n > 0)
  if (first < 0) return "0s"
  return parts
    .slice(first, first + 2)
    .map(([n, unit]) => `${n}${unit}`)
    .join(" ")
}

/** The time of day, by the clock of this machine. */
export const timeOfDay = (ms: number): string => {
  const date = new Date(ms)
  const two = (n: number): string => String(n).padStart(2, "0")
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")
  return `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`
}

/** Day and time, by the clock of this machine. */
export const dayAndTime = (ms: number): string => {
  const date = new Date(ms)
  const two = (n: number): string => String(n).padStart(2, "0")
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeOfDay(ms).slice(0, 8)}`
}
