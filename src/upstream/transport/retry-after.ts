/** When a server that refuses a request wants to be asked again: seconds, or a date (RFC 9110 §10.2.3). */

/**
 * @param text of a `Retry-After` header
 * @param nowMs wall-clock time
 * @returns milliseconds, 0 for a date that is past; undefined where the text is neither
 */
export const retryAfterMs = (text: string | undefined, nowMs: number): number | undefined => {
  if (text === undefined) return undefined
  if (/^\s*\d+\s*$/.test(text)) return 1000 * Number(text)
  // A date begins with the name of a day (RFC 9110 §5.6.7): of other texts too `Date` makes times.
  const atMs = /^\s*(mon|tue|wed|thu|fri|sat|sun)/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
