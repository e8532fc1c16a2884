/** Lines with colours, cut to what is seen of them. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one.
const SEQUENCE = /\x1b\[[0-9;]*m/y

/** The line up to so many characters that are seen; colours go on and off as they did. */
export const cutVisible = (line: string, atMost: number): string => {
  let out = ""
  let seen = 0
  for (let i = 0; i < line.length; ) {
    SEQUENCE.lastIndex = i
    const sequence = SEQUENCE.exec(line)?.[0]
    if (sequence !== undefined) {
      out += sequence
      i += sequence.length
    } else {
      if (seen < atMost) out += line[i]
      seen++
      i++
    }
  }
  return out
}
