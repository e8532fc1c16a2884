/** Fields of a request that were given: what is absent is not sent as null. */
export const given = <A extends object>(fields: A): A =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A
