/** A ring that is served in turn: a new member is served after all present ones. */

export interface RingMember<T> {
  readonly length: number
  next: T
  previous: T
}

/** Adds a member that is in no ring; returns the cursor, which is the member to be served next. */
export const enter = <T extends RingMember<T>>(cursor: T | undefined, added: T): T => {
  if (cursor === undefined) return added
  added.next = cursor
  added.previous = cursor.previous
  added.previous.next = added
  cursor.previous = added
  return cursor
}

/** Removes a member; returns the cursor, undefined where the ring is empty. */
export const leave = <T extends RingMember<T>>(cursor: T | undefined, removed: T): T | undefined => {
  const { next } = removed
  next.previous = removed.previous
  removed.previous.next = next
  if (cursor !== removed) return cursor
  return next === removed ? undefined : next
}

/** The longest member, the last in turn among equals. */
export const largestOf = <T extends RingMember<T>>(cursor: T): T => {
  let largest = cursor
  for (let other = cursor.next; other !== cursor; other = other.next)
    if (other.length >= largest.length) largest = other
  return largest
}
