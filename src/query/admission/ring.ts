/** A ring of those who take turns: who comes gets its turn after all who are there. */

export interface RingMember<T> {
  readonly length: number
  next: T
  previous: T
}

/** Puts one that is alone into the ring; returns whose turn is next. */
export const enter = <T extends RingMember<T>>(cursor: T | undefined, added: T): T => {
  if (cursor === undefined) return added
  added.next = cursor
  added.previous = cursor.previous
  added.previous.next = added
  cursor.previous = added
  return cursor
}

/** Takes one out; returns whose turn is next, if anybody is left. */
export const leave = <T extends RingMember<T>>(cursor: T | undefined, removed: T): T | undefined => {
  const { next } = removed
  next.previous = removed.previous
  removed.previous.next = next
  if (cursor !== removed) return cursor
  return next === removed ? undefined : next
}

/** The one with the most in it, the last in turn among equals. */
export const largestOf = <T extends RingMember<T>>(cursor: T): T => {
  let largest = cursor
  for (let other = cursor.next; other !== cursor; other = other.next)
    if (other.length >= largest.length) largest = other
  return largest
}
