/** Policies by which a group of upstreams is asked. */

export const policies = ["ordered", "round-robin", "least-busy", "fastest", "parallel", "hash", "geo"] as const
export type Policy = (typeof policies)[number]

export const isPolicy = (text: string): text is Policy => (policies as ReadonlyArray<string>).includes(text)
