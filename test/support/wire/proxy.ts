/** What a proxy says first, in octets (version 2). */
import { isIP } from "node:net"

export interface Header2 {
  readonly version?: number
  readonly command?: number
  readonly isDatagram?: boolean
  /** What it says of its own length. */
  readonly size?: number
  /** Octets behind the addresses. */
  readonly extra?: number
}

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex")

export const headerV2 = (
  address: string,
  port: number,
  { version = 2, command = 1, isDatagram = false, extra = 0, size }: Header2 = {}
): Buffer => {
  const isIPv4 = isIP(address) === 4
  const octets = isIPv4 ? Buffer.from(address.split(".").map(Number)) : ipv6(address)
  const body = Buffer.concat([
    octets,
    Buffer.alloc(octets.length, 1),
    Buffer.of(port >> 8, port & 255, 0, 53),
    Buffer.alloc(extra)
  ])
  const head = Buffer.alloc(4)
  head[0] = (version << 4) | command
  head[1] = ((isIPv4 ? 1 : 2) << 4) | (isDatagram ? 2 : 1)
  head.writeUInt16BE(size ?? body.length, 2)
  return Buffer.concat([SIGNATURE, head, body])
}

const ipv6 = (text: string): Buffer => {
  const [front = "", back = ""] = text.split("::", 2)
  const groups = (part: string): ReadonlyArray<string> => (part === "" ? [] : part.split(":"))
  const missing = 8 - groups(front).length - groups(back).length
  const all = [...groups(front), ...Array<string>(missing).fill("0"), ...groups(back)]
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
}
