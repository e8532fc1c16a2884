/**
 * Words of a text, some of them in quotes, as in a zone file (RFC 1035 §5.1): within quotes spaces are data, and `\"`,
 * `\\` and `\DDD` stand for octets.
 */

export interface Word {
  /** Without its quotes, escapes as they are. */
  readonly text: string
  readonly isQuoted: boolean
  /** Where it stands in the text, quotes included. */
  readonly start: number
  readonly end: number
}

/** In quotes, with space or the end behind, or without any at its beginning. */
const WORD = /\s*(?:"((?:[^"\\]|\\[\s\S])*)"(?=\s|$)|([^\s"]\S*))/y

/** The words of a text; undefined where a quote opens and none closes it. */
export const readWords = (text: string): ReadonlyArray<Word> | undefined => {
  const words: Array<Word> = []
  const end = text.trimEnd().length
  let at = 0
  while (at < end) {
    WORD.lastIndex = at
    const found = WORD.exec(text)
    if (found === null) return undefined
    const [all, inQuotes, plain] = found
    const start = at + all.length - all.trimStart().length
    at += all.length
    words.push({ text: inQuotes ?? plain!, isQuoted: inQuotes !== undefined, start, end: at })
  }
  return words
}

/** The octets of a text with escapes, in UTF-8; undefined where `\` stands before digits that are no octet. */
export const unescaped = (text: string): Uint8Array | undefined => {
  const octets: Array<number> = []
  const source = Buffer.from(text, "utf8")
  for (let i = 0; i < source.length; i++) {
    if (source[i] !== BACKSLASH) {
      octets.push(source[i]!)
      continue
    }
    const digits = /^\d{3}/.exec(source.toString("latin1", i + 1, i + 4))?.[0]
    const next = source[i + 1]
    if (digits !== undefined && Number(digits) < 256) {
      octets.push(Number(digits))
      i += 3
    } else if (next === undefined || (next >= DIGIT_0 && next <= DIGIT_9)) {
      return undefined
    } else {
      octets.push(next)
      i++
    }
  }
  return Uint8Array.from(octets)
}

/** The text that stands for these octets within quotes. */
export const escaped = (octets: Uint8Array): string =>
  [...octets]
    .map((octet) => {
      if (octet === QUOTE || octet === BACKSLASH) return `\\${String.fromCharCode(octet)}`
      return octet >= SPACE && octet < DELETE ? String.fromCharCode(octet) : `\\${String(octet).padStart(3, "0")}`
    })
    .join("")

/** A list of texts from one: divided at commas, but not within quotes. */
export const splitList = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(ITEM)].map(([item]) => item.trim()).filter((item) => item !== "")

/** Quotes open at the beginning of a word only; what one opens and none closes goes on to the next comma. */
const ITEM = /(?:(?<![^\s,])"(?:[^"\\]|\\[\s\S])*"(?=[\s,]|$)|[^,])+/g

const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const DELETE = 0x7f
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
