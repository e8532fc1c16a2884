/** Which records of a message belong together. Hot path: replies that are cut, and answers with several addresses. */
import { skipName } from "./name.ts"
import { u16, u32 } from "./wire.ts"

/** Whether the records at `a` and `b` belong to one RRset: same owner, type and class (RFC 2181 §5). */
export const sameSet = (wire: Uint8Array, a: number, b: number, end: number): boolean => {
  const typeA = skipName(wire, a, end)
  const typeB = skipName(wire, b, end)
  return u32(wire, typeA) === u32(wire, typeB) && sameOwner(wire, a, typeA, b, typeB)
}

/**
 * Whether the same name stands at `a` and `b`. A name is written the same way each time (`NameWriter`): as a pointer to
 * where it was first, or, past the offsets that pointers reach, octet by octet.
 */
const sameOwner = (wire: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean => {
  const firstA = startOf(wire, a)
  const firstB = startOf(wire, b)
  if (firstA === firstB) return true
  if (aEnd - a !== bEnd - b || firstA !== a || firstB !== b) return false
  for (let i = 0; i < aEnd - a; i++) if (wire[a + i] !== wire[b + i]) return false
  return true
}

/** The offset to which a pointer at `at` leads; `at` where no pointer is there. */
const startOf = (wire: Uint8Array, at: number): number => {
  const word = u16(wire, at)
  return word >= 0xc000 ? word & 0x3fff : at
}
