/** The data of records as zone files have it (RFC 1035 §5, RFC 3597 §5, RFC 9460 §2). */
import type { Answer, OptAnswer } from "dns-packet"
import { shownType } from "./packet-type.ts"
import { svcbText } from "./svcb.ts"
import { nameText, quoted } from "./zone-text.ts"

type Record = Exclude<Answer, OptAnswer>

export const dataText = (record: Record): string => {
  switch (record.type) {
    case "A":
    case "AAAA":
      return record.data
    case "NS":
    case "CNAME":
    case "DNAME":
    case "PTR":
      return nameText(record.data)
    case "TXT":
      return [record.data].flat().map(quoted).join(" ")
    case "MX":
      return `${record.data.preference ?? 0} ${nameText(record.data.exchange)}`
    case "SRV": {
      const { priority = 0, weight = 0, port, target } = record.data
      return `${priority} ${weight} ${port} ${nameText(target)}`
    }
    case "SOA": {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data
      return [nameText(mname), nameText(rname), serial, refresh, retry, expire, minimum].join(" ")
    }
    case "CAA":
      return `${record.data.flags ?? 0} ${record.data.tag} ${quoted(record.data.value)}`
    case "HINFO":
      return `${quoted(record.data.cpu)} ${quoted(record.data.os)}`
    case "NAPTR": {
      const { order, preference, flags, services, regexp, replacement } = record.data
      return [order, preference, quoted(flags), quoted(services), quoted(regexp), nameText(replacement)].join(" ")
    }
    case "RP":
      return `${nameText(record.data.mbox)} ${nameText(record.data.txt)}`
    case "SSHFP":
      return `${record.data.algorithm} ${record.data.hash} ${record.data.fingerprint}`
    case "TLSA": {
      const { usage, selector, matchingType, certificate } = record.data
      return `${usage} ${selector} ${matchingType} ${hex(certificate)}`
    }
    default:
      return signedText(record)
  }
}

/** Records of DNSSEC (RFC 4034, RFC 5155), and those whose data nobody reads here. */
const signedText = (record: Record): string => {
  switch (record.type) {
    case "DS": {
      const { keyTag, algorithm, digestType, digest } = record.data
      return `${keyTag} ${algorithm} ${digestType} ${hex(digest)}`
    }
    case "DNSKEY":
      return `${record.data.flags} 3 ${record.data.algorithm} ${record.data.key.toString("base64")}`
    case "RRSIG": {
      const { typeCovered, algorithm, labels, originalTTL, expiration, inception, keyTag, signersName } = record.data
      const times = [time(expiration), time(inception)]
      return [
        ...[shownType(typeCovered), algorithm, labels, originalTTL, ...times, keyTag, nameText(signersName)],
        record.data.signature.toString("base64")
      ].join(" ")
    }
    case "NSEC":
      return [nameText(record.data.nextDomain), ...record.data.rrtypes.map(shownType)].join(" ")
    case "NSEC3": {
      const { algorithm, flags, iterations, salt, nextDomain, rrtypes } = record.data
      const shownSalt = salt.length === 0 ? "-" : hex(salt)
      return [algorithm, flags, iterations, shownSalt, base32hex(nextDomain), ...rrtypes.map(shownType)].join(" ")
    }
    default: {
      const octets = Buffer.isBuffer(record.data) ? record.data : Buffer.alloc(0)
      const type = shownType(record.type)
      return (type === "SVCB" || type === "HTTPS" ? svcbText(octets) : undefined) ?? opaque(octets)
    }
  }
}

const hex = (octets: Buffer): string => octets.toString("hex").toUpperCase()

const opaque = (octets: Buffer): string => `\\# ${octets.length}${octets.length === 0 ? "" : ` ${hex(octets)}`}`

/** `YYYYMMDDHHmmSS` (RFC 4034 §3.2). */
const time = (seconds: number): string => new Date(seconds * 1_000).toISOString().replace(/[-:T]|\.\d+Z$/g, "")

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"

/** RFC 4648 §7, without padding. */
const base32hex = (octets: Buffer): string => {
  const bits = [...octets].map((octet) => octet.toString(2).padStart(8, "0")).join("")
  return (bits.match(/.{1,5}/g) ?? []).map((five) => DIGITS[Number.parseInt(five.padEnd(5, "0"), 2)]).join("")
}
