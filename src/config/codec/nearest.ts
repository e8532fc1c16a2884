/** The name that was probably meant by a word that is no name. */

/** The nearest name; undefined where none is near. Letter case, `-` and `_` do not count. */
export const nearest = (word: string, names: ReadonlyArray<string>): string | undefined => {
  const written = plain(word)
  const limit = Math.max(1, Math.floor(written.length / 4))
  let best: string | undefined
  let least = limit + 1
  for (const name of names) {
    const candidate = plain(name)
    if (Math.abs(candidate.length - written.length) >= least && !candidate.startsWith(written)) continue
    const steps = distance(written, candidate, limit)
    if (steps < least) {
      least = steps
      best = name
    }
  }
  return best ?? onlyOne(names.filter((name) => written.length >= 4 && plain(name).startsWith(written)))
}

/** `: did you mean retries?`, or nothing. */
export const meaning = (word: string, names: ReadonlyArray<string>): string => {
  const name = nearest(word, names)
  return name === undefined ? "" : `: did you mean ${name}?`
}

/** So much of a name is compared, letter by letter. */
const LONGEST = 64

const plain = (name: string): string =>
  name
    .slice(0, LONGEST)
    .toLowerCase()
    .replace(/[-_.\s]/g, "")

const onlyOne = (names: ReadonlyArray<string>): string | undefined => (names.length === 1 ? names[0] : undefined)

/** Letters to put in, leave out, change or swap with their neighbour (optimal string alignment). */
const distance = (a: string, b: string, limit: number): number => {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let beforeLast: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let steps = Math.min(change, last[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        steps = Math.min(steps, beforeLast[j - 2]! + 1)
      }
      row.push(steps)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
