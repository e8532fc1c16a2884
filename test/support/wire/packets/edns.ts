/** Queries with something odd in their records: OPT, options, TSIG. Each is named for what is odd about it. */
import { message, octets, opt, option, pointer, QUESTION_NAME, query, question, record, wireName } from "../messages.ts"

export interface OptFields {
  readonly size?: number
  readonly version?: number
  readonly upperRcode?: number
  readonly flags?: number
  readonly options?: Uint8Array
}

export const withOpt = (fields: OptFields = {}): Uint8Array => query({ additionals: [opt(fields)] })

export const withOption = (code: number, data: ReadonlyArray<number>): Uint8Array =>
  withOpt({ options: option(code, data) })

/** Cut off this many octets before its end. */
export const optTruncated = (missing: number): Uint8Array =>
  withOpt({ options: option(10, [1, 2, 3, 4]) }).slice(0, -missing)

export const twoOpts = (): Uint8Array => query({ additionals: [opt(), opt()] })

export const optAmongAnswers = (): Uint8Array => query({ answers: [opt()] })

export const optAmongAuthorities = (): Uint8Array => query({ authorities: [opt()] })

/** Its owner is a name, not the root. */
export const optWithOwner = (): Uint8Array => query({ additionals: [opt({ owner: wireName("opt.example") })] })

/** RDLENGTH says more than there is. */
export const optLongerThanMessage = (): Uint8Array => query({ additionals: [opt({ length: 8 })] })

/** The option's length reaches over the OPT's end. */
export const optionTooLong = (): Uint8Array => withOpt({ options: option(10, [1, 2, 3, 4], 9) })

/** Three octets: less than an option's code and length. */
export const optionStub = (): Uint8Array => withOpt({ options: octets([0, 10, 0]) })

/** A client subnet whose prefix is longer than its family has bits, with octets to match nothing. */
export const clientSubnetWithOddPrefix = (): Uint8Array => withOption(8, [0, 1, 200, 7, 192, 0])

export const clientSubnetOfUnknownFamily = (): Uint8Array => withOption(8, [0, 99, 24, 0, 1, 2, 3])

/** Three octets of a client cookie, which has eight (RFC 7873 §4). */
export const shortCookie = (): Uint8Array => withOption(10, [1, 2, 3])

/** The timeout that only a server may send, and only on a stream (RFC 7828 §3.2.1). */
export const keepaliveWithTimeout = (): Uint8Array => withOption(11, [0, 100])

/** As many options as a datagram holds. */
export const manyOptions = (): Uint8Array =>
  withOpt({ options: octets(...Array.from({ length: 200 }, (_, i) => option(65_001 + i, []))) })

/** A TSIG by a key that nobody knows, at the end where it belongs (RFC 8945 §5.1). */
export const withTsig = (): Uint8Array => {
  const data = octets(wireName("hmac-sha256"), [0, 0, 0, 0, 0, 0, 1, 44, 0, 2, 1, 1, 0, 1, 0, 0, 0, 0])
  return query({ additionals: [octets(wireName("key.example"), [0, 250, 0, 255, 0, 0, 0, 0, 0, data.length], data)] })
}

/** The version, OPT and question are good, the type asked for is OPT itself. */
export const askingForOpt = (): Uint8Array =>
  message({ questions: [question("www.example.com", 41)], additionals: [opt()] })

/** A record in each section, as if it were an answer. */
export const withRecordsEverywhere = (): Uint8Array => {
  const address = record(pointer(QUESTION_NAME), 1, 60, [192, 0, 2, 66])
  return query({ answers: [address], authorities: [address], additionals: [address, opt()] })
}

/** A record whose owner's pointer leads forwards. */
export const ownerPointingForwards = (): Uint8Array =>
  query({ additionals: [record(pointer(60), 1, 60, [192, 0, 2, 1])] })
