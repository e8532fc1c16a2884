/** Certificates of the server's own making: just enough of X.509 (RFC 5280) for a server by TLS. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import { NetAddress } from "effect/net"
import type { KeyPair } from "./tls-server.ts"

export interface CertificateOptions {
  readonly subject: string
  /** Who vouches for it; itself where nobody else does. */
  readonly issuer?: { readonly name: string; readonly key: KeyObject }
  /** Names and IP addresses that it is for. */
  readonly names: ReadonlyArray<string>
  /** Whether it may vouch for others. */
  readonly isAuthority?: boolean
  /** New ones for ECDSA where none are given; who vouches for it signs by ECDSA. */
  readonly keys?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
  /** Milliseconds since 1970. */
  readonly fromMs: number
  readonly untilMs: number
}

export interface Made {
  readonly pair: KeyPair
  readonly key: KeyObject
}

export const makeCertificate = (options: CertificateOptions): Made => {
  const { fromMs, isAuthority = false, issuer, names, subject, untilMs } = options
  const { publicKey, privateKey } = options.keys ?? generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const extensions = [
    ...(isAuthority ? [extension(BASIC_CONSTRAINTS, sequence(der(Tag.Boolean, Buffer.of(0xff))))] : []),
    ...(names.length > 0 ? [extension(ALTERNATIVE_NAMES, sequence(...names.map(alternativeName)))] : [])
  ]
  const signed = sequence(
    der(Tag.Version, der(Tag.Integer, Buffer.of(2))),
    der(Tag.Integer, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    nameOf(issuer?.name ?? subject),
    sequence(time(fromMs), time(untilMs)),
    nameOf(subject),
    createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({ type: "spki", format: "der" }),
    der(Tag.Extensions, sequence(...extensions))
  )
  const signature = sign("sha256", signed, issuer?.key ?? privateKey)
  const whole = sequence(signed, ECDSA_WITH_SHA256, der(Tag.BitString, Buffer.concat([Buffer.of(0), signature])))
  const lines = whole.toString("base64").match(/.{1,64}/g)!
  return {
    pair: {
      certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
      key: privateKey.export({ type: "pkcs8", format: "pem" }).toString()
    },
    key: privateKey
  }
}

/** Tags of DER (X.690), those that depend on their context among them. */
const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  ObjectId: 0x06,
  Utf8String: 0x0c,
  UtcTime: 0x17,
  Sequence: 0x30,
  Set: 0x31,
  DnsName: 0x82,
  IpAddress: 0x87,
  Version: 0xa0,
  Extensions: 0xa3
} as const

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.of(tag, ...head), content])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => der(Tag.Sequence, ...parts)
const objectId = (hex: string): Buffer => der(Tag.ObjectId, Buffer.from(hex, "hex"))

const ECDSA_WITH_SHA256 = sequence(objectId("2a8648ce3d040302"))
const COMMON_NAME = objectId("550403")
const BASIC_CONSTRAINTS = objectId("551d13")
const ALTERNATIVE_NAMES = objectId("551d11")

const nameOf = (commonName: string): Buffer =>
  sequence(der(Tag.Set, sequence(COMMON_NAME, der(Tag.Utf8String, Buffer.from(commonName)))))

const extension = (id: Buffer, value: Buffer): Buffer => sequence(id, der(Tag.OctetString, value))

/** Of years until 2049 (RFC 5280 §4.1.2.5.1). */
const time = (ms: number): Buffer =>
  der(
    Tag.UtcTime,
    Buffer.from(
      new Date(ms)
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, "")
        .slice(2),
      "latin1"
    )
  )

const alternativeName = (name: string): Buffer => {
  const address = NetAddress.ipFromString(name)
  if (address._tag === "Failure") return der(Tag.DnsName, Buffer.from(name, "latin1"))
  const ip = address.success
  return der(
    Tag.IpAddress,
    Uint8Array.from(NetAddress.isIpv4Address(ip) ? NetAddress.ipv4ToOctets(ip) : NetAddress.ipv6ToOctets(ip))
  )
}
