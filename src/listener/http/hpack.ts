/** Headers of HTTP/2, as far as a server reads them (RFC 7541). */
import { readHuffman } from "./huffman.ts"

export type Header = readonly [name: string, value: string]

/** RFC 7541 Appendix A. */
const STATIC: ReadonlyArray<Header> = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  ...["200", "204", "206", "304", "400", "404", "500"].map((status): Header => [":status", status]),
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...(
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control " +
    "content-disposition content-encoding content-language content-length content-location content-range content-type " +
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since " +
    "last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after " +
    "server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
  )
    .split(" ")
    .map((name): Header => [name, ""])
]

/** Octets of the table of headers that were sent before (RFC 9113 §6.5.2), and what each costs beside its texts. */
export const TABLE_SIZE = 4_096
const ENTRY_SIZE = 32

/** Octets of all headers of a request together, each with what it costs in the table (RFC 9113 §10.5.1). */
export const MAX_HEADER_LIST = 16_384

/** What was sent cannot be read: the table is not known any more, and the connection is over (RFC 9113 §4.3). */
export class HeaderFault extends Error {}

/** Reads the blocks of one connection, in their order. */
export class HeaderReader {
  /** The newest first. */
  private readonly table: Array<Header> = []
  private size = 0
  private limit = TABLE_SIZE
  private octets: Uint8Array = new Uint8Array(0)
  private at = 0
  private end = 0

  /**
   * @returns the headers; undefined where they are more than is read, and the table is known all the same
   * @throws HeaderFault where they cannot be read
   */
  read(block: Uint8Array): ReadonlyArray<Header> | undefined {
    this.octets = block
    this.at = 0
    this.end = block.length
    const headers: Array<Header> = []
    let total = 0
    while (this.at < this.end) {
      const first = block[this.at]!
      if ((first & 0xe0) === 0x20) {
        if (headers.length > 0) throw new HeaderFault("a size of the table behind a header")
        this.resize(this.readNumber(5))
        continue
      }
      const header = this.readHeader(first)
      total += costOf(header)
      if (total <= MAX_HEADER_LIST) headers.push(header)
    }
    return total > MAX_HEADER_LIST ? undefined : headers
  }

  private readHeader(first: number): Header {
    if (first >= 0x80) return this.entry(this.readNumber(7))
    const isKept = first >= 0x40
    const index = this.readNumber(isKept ? 6 : 4)
    const name = index === 0 ? this.readText() : this.entry(index)[0]
    const header: Header = [name, this.readText()]
    if (isKept) this.keep(header)
    return header
  }

  private entry(index: number): Header {
    const found = index <= STATIC.length ? STATIC[index - 1] : this.table[index - STATIC.length - 1]
    if (found === undefined) throw new HeaderFault(`there is no header ${index}`)
    return found
  }

  private keep(header: Header): void {
    const cost = costOf(header)
    this.shrink(this.limit - cost)
    if (cost > this.limit) return
    this.table.unshift(header)
    this.size += cost
  }

  private resize(limit: number): void {
    if (limit > TABLE_SIZE) throw new HeaderFault("a table that is larger than allowed")
    this.limit = limit
    this.shrink(limit)
  }

  private shrink(to: number): void {
    while (this.size > to && this.table.length > 0) this.size -= costOf(this.table.pop()!)
  }

  /** An integer whose first bits are the low ones of this octet (RFC 7541 §5.1). */
  private readNumber(bits: number): number {
    const most = (1 << bits) - 1
    let value = this.octets[this.at++]! & most
    if (value < most) return value
    for (let shift = 0; ; shift += 7) {
      if (this.at >= this.end || shift > 21) throw new HeaderFault("a number without an end")
      const octet = this.octets[this.at++]!
      value += (octet & 0x7f) * 2 ** shift
      if (octet < 0x80) return value
    }
  }

  private readText(): string {
    if (this.at >= this.end) throw new HeaderFault("a text is not there")
    const isCoded = this.octets[this.at]! >= 0x80
    const length = this.readNumber(7)
    const start = this.at
    this.at += length
    if (this.at > this.end) throw new HeaderFault("a text without an end")
    if (!isCoded) return latin1(this.octets, start, this.at)
    const text = readHuffman(this.octets, start, this.at)
    if (text === undefined) throw new HeaderFault("a text in a code that is none")
    return text
  }
}

const costOf = ([name, value]: Header): number => name.length + value.length + ENTRY_SIZE

const latin1 = (octets: Uint8Array, start: number, end: number): string =>
  Buffer.from(octets.buffer, octets.byteOffset + start, end - start).toString("latin1")
