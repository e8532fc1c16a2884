/** What is wrong in a source: it stops the server, or, where it is only suspicious, is warned of. */

/** A mistake in a source. */
export interface Mistake {
  /** Where it was said: `strand.yaml:4:10: retries`, `DNS_SERVER_RETRIES`. */
  readonly place: string
  /** What was said, as text and without what is secret; undefined where nothing was. */
  readonly value: string | undefined
  readonly expected: string
}

/** The line that names it. */
export const formatMistake = ({ place, value, expected }: Mistake): string =>
  value === undefined ? `${place}: expected ${expected}` : `${place}: ${value}: expected ${expected}`
