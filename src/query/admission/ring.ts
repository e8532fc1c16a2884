/** A ring of those who take turns: who comes gets its turn after all who are there. */

export interface InTurn<T> {
  readonly length: number
  next: T
  previous: T
}

/** Puts one that is alone into the ring; returns whose turn is next. */
export const open = <T extends InTurn<T>>(turn: T | undefined, added: T): T => {
  if (turn === undefined) return added
  added.next = turn
  added.previous = turn.previous
  added.previous.next = added
  turn.previous = added
  return turn
}

/** Takes one out; returns whose turn is next, if anybody is left. */
export const close = <T extends InTurn<T>>(turn: T | undefined, removed: T): T | undefined => {
  const { next } = removed
  next.previous = removed.previous
  removed.previous.next = next
  if (turn !== removed) return turn
  return next === removed ? undefined : next
}

/** The one with the most in it, the last in turn among equals. */
export const largestOf = <T extends InTurn<T>>(turn: T): T => {
  let largest = turn
  for (let other = turn.next; other !== turn; other = other.next) if (other.length >= largest.length) largest = other
  return largest
}
