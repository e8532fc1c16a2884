/** Text that others sent, on a terminal. */

/** What others sent must not move a cursor, change colours, or look like a line of its own. */
export const printable = (text: string): string =>
  text.replace(CONTROLS, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`)

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is they that are looked for.
const CONTROLS = /[\x00-\x1f\x7f-\x9f]|[\u202a-\u202e\u2066-\u2069]/g
