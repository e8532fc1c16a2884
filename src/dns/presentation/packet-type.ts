/** Types of records as dns-packet calls them. */
import { typeName } from "../record-types.ts"

/** How dns-packet calls a type that it does not name, and takes any. */
const UNNAMED = "UNKNOWN_"

export const packetType = (type: number): string => `${UNNAMED}${type}`

/** @param name as dns-packet gives it: `A`, `UNKNOWN_65` */
export const shownType = (name: string): string =>
  name.startsWith(UNNAMED) ? typeName(Number(name.slice(UNNAMED.length))) : name
