/**
 * Discovery of designated resolvers (RFC 9462): a client that asks in the clear is told where it may ask by TLS and by
 * HTTPS, under the name that the certificate is for. Nothing is told where no certificate is configured: clients could
 * not check it.
 */
import { X509Certificate } from "node:crypto"
import type { Settings } from "../config/schema/settings.ts"
import { NO_SPECIAL_NAMES } from "../config/schema/special-names.ts"
import { Type } from "../dns/codes.ts"
import { parseName, sameName } from "../dns/name.ts"
import { OwnAnswer, ownRecords } from "../dns/own-answer.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import type { FindOwn } from "./local-answers.ts"

/** The name that clients ask for (RFC 9462 §4). */
const ASKED = parseName("_dns.resolver.arpa")!
/** Certificates and listeners change seldom; a client that finds nobody asks in the clear. */
const TTL_SECONDS = 300

/** Keys of parameters (RFC 9460 §14.3.2, RFC 9461 §6). */
const Key = { Alpn: 1, Port: 3, DohPath: 7 } as const

/** What answers clients that ask where; undefined where there is nothing to tell. */
export const makeDiscovery = ({
  listen,
  specialNames,
  tlsCertificateFile
}: Pick<Settings, "listen" | "specialNames" | "tlsCertificateFile">): FindOwn | undefined => {
  // Where the zone is asked for elsewhere, so is this name of it.
  const isOurs = specialNames.some((name) => name !== NO_SPECIAL_NAMES && name === "resolver.arpa")
  const target = tlsCertificateFile[0] === undefined ? undefined : nameIn(tlsCertificateFile[0].pem)
  if (!isOurs || target === undefined) return undefined
  const told = new Map<string, Uint8Array>()
  for (const { endpoint, path, protocols } of listen) {
    const [protocol] = protocols
    if (protocol !== "tls" && protocol !== "https") continue
    const parameters =
      protocol === "tls"
        ? [alpn("dot"), port(endpoint.port)]
        : [alpn("h2"), port(endpoint.port), parameter(Key.DohPath, Buffer.from(`${path}{?dns}`))]
    // One address of several is told once: the name says where.
    const key = `${protocol} ${endpoint.port} ${path}`
    if (!told.has(key)) told.set(key, service(told.size + 1, target, parameters))
  }
  if (told.size === 0) return undefined
  const records = ownRecords([...told.values()].map((data) => ({ type: Type.SVCB, ttlSeconds: TTL_SECONDS, data })))
  const own = new OwnAnswer()
  return (query) =>
    query.type === Type.SVCB &&
    query.nameLength === ASKED.length &&
    sameName(query.wire, HEADER_SIZE, ASKED, 0, ASKED.length)
      ? own.give(query, records)
      : undefined
}

/** The first name of a host that a certificate is for; undefined where it is for addresses, or for whole zones. */
const nameIn = (pem: string): Uint8Array | undefined => {
  const names = new X509Certificate(pem).subjectAltName ?? ""
  for (const entry of names.split(", ")) {
    const name = entry.startsWith("DNS:") && !entry.includes("*") ? parseName(entry.slice(4)) : undefined
    if (name !== undefined) return name
  }
  return undefined
}

/** The data of an SVCB record (RFC 9460 §2.2), its parameters in the order of their keys. */
const service = (priority: number, target: Uint8Array, parameters: ReadonlyArray<Uint8Array>): Uint8Array =>
  Buffer.concat([word(priority), target, ...parameters])

const alpn = (protocol: string): Uint8Array =>
  parameter(Key.Alpn, Buffer.concat([Buffer.of(protocol.length), Buffer.from(protocol)]))

const port = (number: number): Uint8Array => parameter(Key.Port, word(number))

const parameter = (key: number, value: Uint8Array): Uint8Array => Buffer.concat([word(key), word(value.length), value])

const word = (value: number): Uint8Array => Buffer.of(value >>> 8, value & 255)
