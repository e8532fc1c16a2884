/**
 * Requests of DNS over HTTPS (RFC 8484): by GET and POST, and in the form of questions and answers in JSON that public
 * resolvers have.
 */
import { Flag } from "../../dns/codes.ts"
import { parseName } from "../../dns/name.ts"
import { typeNumber } from "../../dns/record-types.ts"
import { HEADER_SIZE, MAX_MESSAGE_SIZE, putU16 } from "../../dns/wire.ts"
import { CLIENT_NAME_EXPECTED, readClientName } from "../../io/client-name.ts"

/** A request, as far as it is looked at. */
export interface Request {
  readonly method: string
  /** The path, and behind `?` what is asked by it. */
  readonly target: string
  /** Empty where it was not said. */
  readonly contentType: string
  readonly forwardedFor: string
  readonly body: Uint8Array
}

/** A request that is not answered by DNS: RFC 9110 §15. */
export interface Refusal {
  readonly status: 400 | 404 | 405 | 413 | 415
  readonly reason: string
}

export interface Asked {
  readonly status: 200
  /** The query. */
  readonly wire: Uint8Array
  /** Whether the answer is wanted in JSON. */
  readonly isJson: boolean
  /** What the client calls itself, in small letters; undefined where it does not. */
  readonly clientName: string | undefined
}

/** What is asked, wherever. */
type Question = Omit<Asked, "clientName">

export const DNS_MESSAGE = "application/dns-message"
export const DNS_JSON = "application/dns-json"

const refused = (status: Refusal["status"], reason: string): Refusal => ({ status, reason })

/** @param path at which is asked; a client may put its name behind it */
export const readRequest = (request: Request, path: string): Asked | Refusal => {
  const { target } = request
  const mark = target.indexOf("?")
  const asked = mark < 0 ? target : target.slice(0, mark)
  const behind = behindPath(asked, path)
  if (behind === undefined) return refused(404, `names are asked at ${path}`)
  const clientName = readClientName(behind)
  if (behind !== "" && clientName === undefined) {
    return refused(404, `behind ${path}/ stands ${CLIENT_NAME_EXPECTED}`)
  }
  const question = readQuestion(request, mark < 0 ? "" : target.slice(mark + 1))
  return question.status === 200 ? { ...question, clientName } : question
}

const readQuestion = ({ body, contentType, method }: Request, parameters: string): Question | Refusal => {
  if (method === "POST") {
    if (mediaTypeOf(contentType) !== DNS_MESSAGE) return refused(415, `a query is of the type ${DNS_MESSAGE}`)
    if (body.length === 0) return refused(400, "there is no query")
    return { status: 200, wire: body, isJson: false }
  }
  if (method !== "GET" && method !== "HEAD") return refused(405, "by GET or POST")
  const encoded = plainParameter(parameters, "dns")
  if (encoded !== undefined) return readEncoded(encoded)
  const fields = new URLSearchParams(parameters)
  const name = fields.get("name")
  return name === null ? refused(400, "a query stands behind ?dns=, or a name behind ?name=") : readFields(name, fields)
}

/** Of `/dns-query/laptop` the name of the client, of `/dns-query` nothing; undefined where it is another path. */
const behindPath = (asked: string, path: string): string | undefined => {
  if (!asked.startsWith(path)) return undefined
  if (asked.length === path.length) return ""
  return asked[path.length] === "/" && !asked.includes("/", path.length + 1) ? asked.slice(path.length + 1) : undefined
}

const mediaTypeOf = (text: string): string => text.split(";", 1)[0]!.trim().toLowerCase()

/** The value of a parameter as it stands there; undefined where there is none. */
const plainParameter = (text: string, name: string): string | undefined => {
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf("&", at)
    const end = next < 0 ? text.length : next
    if (text.startsWith(name, at) && text[at + name.length] === "=") return text.slice(at + name.length + 1, end)
    at = end + 1
  }
  return undefined
}

/** RFC 4648 §5; without padding (RFC 8484 §6), which some clients send all the same. */
const ENCODED = /^[\w-]+={0,2}$/

const readEncoded = (text: string): Question | Refusal => {
  if (text.length > Math.ceil((MAX_MESSAGE_SIZE * 4) / 3) + 2) return refused(413, "a query that is too long")
  if (!ENCODED.test(text)) return refused(400, "what stands behind ?dns= is not in base64url")
  return { status: 200, wire: Buffer.from(text, "base64url"), isJson: false }
}

const OPT_SIZE = 11
const EDNS_SIZE = 1232
/** The bit DO of the OPT's TTL (RFC 6891 §6.1.3), as its third octet has it. */
const DNSSEC_OK = 0x80

const isTrue = (text: string | null): boolean => text !== null && /^(?:1|true|)$/i.test(text)

/** `name=example.com&type=AAAA&do=1&cd=1`. */
const readFields = (name: string, fields: URLSearchParams): Question | Refusal => {
  const type = typeNumber(fields.get("type") ?? "A")
  if (type === undefined) return refused(400, "the type is none")
  const encoded = parseName(name)
  if (encoded === undefined) return refused(400, "the name is none")
  const wire = new Uint8Array(HEADER_SIZE + encoded.length + 4 + OPT_SIZE)
  putU16(wire, 2, Flag.RD | Flag.AD | (isTrue(fields.get("cd")) ? Flag.CD : 0))
  putU16(wire, 4, 1)
  putU16(wire, 10, 1)
  wire.set(encoded, HEADER_SIZE)
  const behind = HEADER_SIZE + encoded.length
  putU16(wire, behind, type)
  putU16(wire, behind + 2, 1)
  putU16(wire, behind + 5, 41)
  putU16(wire, behind + 7, EDNS_SIZE)
  if (isTrue(fields.get("do"))) wire[behind + 11] = DNSSEC_OK
  return { status: 200, wire, isJson: true }
}
