/** Certificates of a test's own making, good and bad: just enough of X.509 (RFC 5280) for TLS servers. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import { isIP } from "node:net"
import { octets } from "./messages.ts"

export interface Certificate {
  /** Both in PEM. */
  readonly cert: string
  readonly key: string
}

interface Wanted {
  /** Names and IPv4 addresses it is for. */
  readonly names: ReadonlyArray<string>
  /** Days from now until it has run out; before now, for one that has. */
  readonly days?: number
}

export interface Authority extends Certificate {
  readonly issue: (wanted: Wanted) => Certificate
}

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const length =
    content.length < 0x80
      ? [content.length]
      : content.length < 0x100
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 255]
  return Buffer.concat([octets([tag, ...length]), content])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => der(0x30, ...parts)
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value, "latin1"))
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"))

const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
const nameOf = (commonName: string): Buffer => sequence(der(0x31, sequence(oid("550403"), text(0x0c, commonName))))
const extension = (id: string, value: Buffer): Buffer => sequence(oid(id), der(0x04, value))
const DAY_MS = 86_400_000

const time = (ms: number): Buffer =>
  text(
    0x17,
    `${new Date(ms)
      .toISOString()
      .replace(/[-:T]|\.\d+/g, "")
      .slice(2)}`
  )

const altName = (name: string): Buffer =>
  isIP(name) === 4 ? der(0x87, octets(name.split(".").map(Number))) : text(0x82, name)

const make = (
  subject: string,
  issuer: { readonly name: string; readonly key: KeyObject } | undefined,
  days: number,
  extensions: ReadonlyArray<Buffer>
): { readonly certificate: Certificate; readonly key: KeyObject } => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const signed = sequence(
    der(0xa0, der(0x02, octets([2]))),
    der(0x02, octets([1], randomBytes(8))),
    ecdsaWithSha256,
    nameOf(issuer?.name ?? subject),
    sequence(time(Date.now() - 100 * DAY_MS), time(Date.now() + days * DAY_MS)),
    nameOf(subject),
    createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions))
  )
  const signature = sign("sha256", signed, issuer?.key ?? privateKey)
  const whole = sequence(signed, ecdsaWithSha256, der(0x03, octets([0], signature)))
  const lines = whole.toString("base64").match(/.{1,64}/g)!
  const cert = ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n")
  return { certificate: { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() }, key: privateKey }
}

const basicConstraints = extension("551d13", sequence(der(0x01, octets([0xff]))))

/** An authority that nobody knows who is not told of it. */
export const authority = (name = "An authority for tests"): Authority => {
  const { certificate, key } = make(name, undefined, 100, [basicConstraints])
  return {
    ...certificate,
    issue: ({ names, days = 10 }) =>
      make(names[0]!, { name, key }, days, [extension("551d11", sequence(...names.map(altName)))]).certificate
  }
}
