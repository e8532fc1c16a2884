/** Service bindings: records of the types SVCB and HTTPS (RFC 9460). */
import { ipv6Text } from "./ipv6.ts"
import { nameText, quoted } from "./zone-text.ts"

const KEYS = ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"]

/** Undefined where the data is not as the RFC has it. */
export const svcbText = (octets: Buffer): string | undefined => {
  try {
    const target = readTarget(octets, 2)
    return [octets.readUInt16BE(0), nameText(target.name), ...params(octets, target.end)].join(" ")
  } catch (cause) {
    if (cause instanceof RangeError) return undefined
    throw cause
  }
}

/** Never compressed (RFC 9460 §2.2). */
const readTarget = (octets: Buffer, start: number): { readonly name: string; readonly end: number } => {
  const labels: Array<string> = []
  let at = start
  for (let length = octets.readUInt8(at); length > 0; length = octets.readUInt8(at)) {
    labels.push(octets.toString("latin1", at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join("."), end: at + 1 }
}

const params = (octets: Buffer, start: number): ReadonlyArray<string> => {
  const texts: Array<string> = []
  for (let at = start; at < octets.length; ) {
    const key = octets.readUInt16BE(at)
    const end = at + 4 + octets.readUInt16BE(at + 2)
    if (end > octets.length) throw new RangeError("a parameter runs past the end")
    texts.push(paramText(key, octets.subarray(at + 4, end)))
    at = end
  }
  return texts
}

const keyName = (key: number): string => KEYS[key] ?? `key${key}`

const paramText = (key: number, value: Buffer): string => {
  const name = keyName(key)
  switch (name) {
    case "no-default-alpn":
      return name
    case "mandatory":
      return `${name}=${pieces(value, 2, (octets) => keyName(octets.readUInt16BE(0)))}`
    case "alpn":
      return `${name}="${protocols(value).join(",")}"`
    case "port":
      return `${name}=${value.readUInt16BE(0)}`
    case "ipv4hint":
      return `${name}=${pieces(value, 4, (octets) => octets.join("."))}`
    case "ipv6hint":
      return `${name}=${pieces(value, 16, ipv6Text)}`
    case "ech":
      return `${name}=${value.toString("base64")}`
    default:
      return value.length === 0 ? name : `${name}=${quoted(value)}`
  }
}

const pieces = (value: Buffer, size: number, text: (octets: Buffer) => string): string =>
  Array.from({ length: Math.floor(value.length / size) }, (_, i) =>
    text(value.subarray(i * size, (i + 1) * size))
  ).join(",")

const protocols = (value: Buffer): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (let at = 0; at < value.length; at += 1 + value.readUInt8(at)) {
    names.push(quoted(value.subarray(at + 1, at + 1 + value.readUInt8(at))).slice(1, -1))
  }
  return names
}
