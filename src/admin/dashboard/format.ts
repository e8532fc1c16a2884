/** Numbers and times as people read them, each as long as it needs to be. */
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 })
const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const dateFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" })

export const formatCount = (value: number): string => whole.format(value)

export const formatCompact = (value: number): string =>
  value > 0 && value < 10 ? String(Math.round(value * 10) / 10) : compact.format(value)

/** A rate: with a decimal where it is small. */
export const formatRate = (value: number): string =>
  value === 0 ? "0" : value < 10 ? value.toFixed(1) : whole.format(value)

export const formatMs = (ms: number): string => {
  if (ms === 0) return "0 ms"
  if (ms < 0.1) return `${ms.toFixed(3)} ms`
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 100) return `${ms.toFixed(1)} ms`
  if (ms < 10_000) return `${whole.format(ms)} ms`
  return `${(ms / 1000).toFixed(1)} s`
}

export const formatPercent = (share: number): string => {
  const percent = share * 100
  if (percent === 0) return "0 %"
  if (percent >= 99.95) return "100 %"
  return percent > 0 && percent < 0.1 ? "< 0.1 %" : `${percent.toFixed(1)} %`
}

export const formatBytes = (bytes: number): string => {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
  return `${(bytes / 1024 ** 3).toFixed(2)} GiB`
}

export const formatSeconds = (seconds: number): string => {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** The time of day, by the clock of who looks. */
export const formatClock = (atMs: number): string => clockFormat.format(atMs)

export const formatDate = (atMs: number): string => dateFormat.format(atMs)

/** `1 query`, `2 queries`. */
export const formatNumberOf = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`
