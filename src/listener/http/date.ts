/** The time of an answer as HTTP writes it (RFC 9110 §5.6.7), which every answer has to say (§6.6.1). */

let second = Number.NaN
let text = ""

/** The time now, to the second: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export const httpDate = (): string => {
  const nowMs = Date.now()
  const now = Math.floor(nowMs / 1000)
  if (now !== second) {
    second = now
    text = new Date(nowMs).toUTCString()
  }
  return text
}
