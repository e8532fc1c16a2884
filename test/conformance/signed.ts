/** Records of DNSSEC (RFC 4034), as far as a server looks at them that validates nothing. */
import { long, octets, record, word } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { here } from "./responses.ts"

const [RRSIG, NSEC, DS, DNSKEY, NSEC3] = [46, 47, 43, 48, 50]

/** A signature of the records of this type, by the zone whose name is the question's, as long as one is. */
export const aSignature = (covered = 1, owner: Uint8Array = here): Uint8Array => {
  const times = octets(long(300), long(4_102_444_800), long(1_577_836_800))
  // The signer's name is never compressed (RFC 4034 §3.1.7): here it is one that stands above every name.
  return record(owner, RRSIG, 300, octets(word(covered), [13, 3], times, word(4_711), [0], new Uint8Array(64).fill(7)))
}

export const aDelegationSigner = (): Uint8Array =>
  record(here, DS, 300, octets(word(4_711), [13, 2], new Uint8Array(32).fill(9)))

export const aKey = (): Uint8Array => record(here, DNSKEY, 300, octets(word(257), [3, 13], new Uint8Array(64).fill(5)))

/** There is nothing between this name and the root's. */
export const aGap = (owner: Uint8Array = here): Uint8Array => record(owner, NSEC, 300, octets([0], [0, 1, 0x40]))

export const aHashedGap = (owner: Uint8Array): Uint8Array =>
  record(owner, NSEC3, 300, octets([1, 0], word(0), [0], [20], new Uint8Array(20).fill(3), [0, 1, 0x40]))

/** Whether a query that came to an upstream has DO. */
export const isDnssecOk = (asked: Buffer): boolean => readReply(asked).opts.some(({ dnssecOk }) => dnssecOk)

export const isCheckingDisabled = (asked: Buffer): boolean => (asked.readUInt16BE(2) & 0x10) !== 0
