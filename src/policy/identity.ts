/**
 * What this server says of itself to those who ask: its name (RFC 4892) and its version. Nothing, unless it is
 * configured; others are refused, as all of class CH.
 */
import type { Settings } from "../config/schema/settings.ts"
import { Class, Type } from "../dns/codes.ts"
import { parseName } from "../dns/name.ts"
import { OwnAnswer, type OwnRecords, ownRecords } from "../dns/own-answer.ts"
import type { Query } from "../dns/query.ts"
import { NameMap, Suffixes } from "../dns/suffixes.ts"
import { HEADER_SIZE } from "../dns/wire.ts"

/** Finds the answer to a query of class CH; undefined where there is none. */
export type FindIdentity = (query: Query) => OwnAnswer | undefined

export const makeIdentity = ({
  serverId,
  serverVersion
}: Pick<Settings, "serverId" | "serverVersion">): FindIdentity => {
  const told = new NameMap<OwnRecords>()
  const tell = (text: string | undefined, ...names: ReadonlyArray<string>): void => {
    if (text === undefined) return
    const data = Buffer.concat([Buffer.of(text.length), Buffer.from(text, "latin1")])
    for (const name of names)
      told.set(parseName(name)!, ownRecords([{ type: Type.TXT, ttlSeconds: 0, data }], Class.CH))
  }
  tell(serverId, "id.server", "hostname.bind")
  tell(serverVersion, "version.server", "version.bind")
  const suffixes = new Suffixes()
  const own = new OwnAnswer()
  return (query) => {
    if (query.class !== Class.CH || (query.type !== Type.TXT && query.type !== Type.ANY)) return undefined
    suffixes.read(query.wire, HEADER_SIZE, query.nameLength)
    const records = told.find(query.wire, suffixes, 0)
    return records === undefined ? undefined : own.give(query, records)
  }
}
