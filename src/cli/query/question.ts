/** The question as people write it, and as a message. */
import { randomInt } from "node:crypto"
import { isIP } from "node:net"
import { domainToASCII } from "node:url"
import packet from "dns-packet"
import { Effect, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import { nearest } from "../../config/codec/nearest.ts"
import { readNetwork } from "../../config/codec/network.ts"
import { parseName } from "../../dns/name.ts"
import { packetType } from "../../dns/presentation/packet-type.ts"
import { typeNames, typeNumber } from "../../dns/record-types.ts"
import { HEADER_SIZE } from "../../dns/wire.ts"
import { CommandFailed } from "../failure.ts"

/** What fits the networks that there are without fragments (RFC 9715 §3.2). */
const UDP_PAYLOAD = 1232

export interface QuestionOptions {
  readonly name: string
  readonly type: string | undefined
  readonly isDnssec: boolean
  /** The network that the answer is to be for (RFC 7871). */
  readonly subnet: string | undefined
}

export interface Question {
  readonly id: number
  readonly message: Uint8Array
}

/** An address without a type asks for its name. */
export const readQuestion = Effect.fnUntraced(function* (options: QuestionOptions) {
  const type = yield* readType(options.type ?? (isIP(options.name) === 0 ? "A" : "PTR"))
  const name = yield* readName(options.name)
  const id = randomInt(0x10000)
  const subnet = options.subnet === undefined ? [] : [yield* subnetOption(options.subnet)]
  const withoutName = packet.encode({
    type: "query",
    id,
    // AD asks for AD (RFC 6840 §5.7).
    flags: packet.RECURSION_DESIRED | packet.AUTHENTIC_DATA,
    questions: [{ name: ".", type: packetType(type) as "A" }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: UDP_PAYLOAD,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: options.isDnssec ? packet.DNSSEC_OK : 0,
        flag_do: options.isDnssec,
        options: subnet
      }
    ]
  })
  // dns-packet knows no escapes in names: the root's octet, which it wrote, is replaced.
  const message = Buffer.concat([withoutName.subarray(0, HEADER_SIZE), name, withoutName.subarray(HEADER_SIZE + 1)])
  return { id, message } satisfies Question as Question
})

const readType = (text: string): Effect.Effect<number, CommandFailed> => {
  const type = typeNumber(text)
  if (type !== undefined) return Effect.succeed(type)
  const near = nearest(text.toUpperCase(), typeNames)
  const meant = near === undefined ? "" : `: did you mean ${near}?`
  return Effect.fail(
    new CommandFailed({ message: `${text}: expected a type such as AAAA, MX, HTTPS or TYPE65280${meant}` })
  )
}

/** In wire form. */
const readName = (text: string): Effect.Effect<Uint8Array, CommandFailed> => {
  const address = NetAddress.ipFromString(text)
  const written = Result.isSuccess(address) ? reverseName(address.success) : text
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is beyond ASCII is looked for.
  const name = parseName(/[^\x00-\x7f]/.test(written) ? domainToASCII(written) || ".." : written)
  return name === undefined || text === ""
    ? Effect.fail(
        new CommandFailed({ message: `${text}: expected a name of at most 255 octets, its labels of at most 63` })
      )
    : Effect.succeed(name)
}

/** RFC 1035 §3.5, RFC 3596 §2.5. */
const reverseName = (address: NetAddress.IpAddress): string => {
  if (NetAddress.isIpv4Address(address))
    return `${[...NetAddress.ipv4ToOctets(address)].reverse().join(".")}.in-addr.arpa`
  const nibbles = Buffer.from(NetAddress.ipv6ToOctets(address)).toString("hex")
  return `${[...nibbles].reverse().join(".")}.ip6.arpa`
}

const subnetOption = (text: string) => {
  const read = readNetwork(text)
  if (Result.isFailure(read))
    return Effect.fail(new CommandFailed({ message: `--subnet: ${text}: expected ${read.failure}` }))
  const { prefixLength } = read.success
  const [ip] = IpNetwork.format(read.success).split("/")
  return Effect.succeed({ code: 8 as const, ip, sourcePrefixLength: prefixLength, scopePrefixLength: 0 })
}
