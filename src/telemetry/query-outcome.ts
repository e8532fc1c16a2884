/** What came of a query: every outcome, by name. Imports nothing: the API and the command line name them too. */

/** What the cache had. */
const cacheOutcomes = ["hit", "miss", "stale", "failure"] as const

/** Why a query never came to the cache: it was answered here, or got an error at once, or nothing. */
const earlyOutcomes = [
  /** A local answer. */
  "local",
  /** A special name. */
  "special",
  /** Of a client that may not ask. */
  "denied",
  /** It came from this server itself. */
  "looped",
  /** What its rcode says was wrong with it. */
  "malformed",
  /** Its client's network sent more than it may. */
  "limited"
] as const
export type EarlyOutcome = (typeof earlyOutcomes)[number]

/** Every outcome of a query. */
export const queryOutcomes = [...cacheOutcomes, ...earlyOutcomes] as const
export type QueryOutcome = (typeof queryOutcomes)[number]

const early: ReadonlySet<QueryOutcome> = new Set(earlyOutcomes)
/** Whether a query never came to the cache. */
export const isEarly = ({ outcome }: { readonly outcome: QueryOutcome }): boolean => early.has(outcome)
