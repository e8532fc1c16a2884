/** Messages that are nearly right: of the forms that clients send, with some octets changed, cut, doubled or lengthened. */
import { octets, opt, option, query, question } from "../support/wire/messages.ts"
import type { Random } from "../support/wire/record-data.ts"

/** How many times as much as `npm test` does: `npm run fuzz` sets it. */
const factor = Number(process.env["FUZZ_FACTOR"] ?? "1")
/** Another one finds other things. */
export const seed = Number(process.env["FUZZ_SEED"] ?? "11")

export const rounds = (usual: number): number => Math.ceil(usual * factor)

/** Changes up to four octets, and now and then the length. */
export const broken = (random: Random, message: Uint8Array): Buffer => {
  let copy = Buffer.from(message)
  for (let changes = random(5); changes > 0 && copy.length > 0; changes--) {
    const at = random(copy.length)
    copy[at] = random(3) === 0 ? 0xc0 + random(64) : random(256)
  }
  switch (random(12)) {
    case 0:
    case 1:
      return copy.subarray(0, random(copy.length + 1))
    case 2: {
      // A piece of it once more.
      const from = random(copy.length)
      const to = from + random(copy.length - from)
      copy = Buffer.concat([copy.subarray(0, to), copy.subarray(from, to), copy.subarray(to)])
      return copy
    }
    case 3:
      return Buffer.concat([copy, Buffer.alloc(random(64), random(256))])
    default:
      return copy
  }
}

const options = (random: Random): Uint8Array =>
  octets(
    ...Array.from({ length: random(4) }, () => {
      const code = [3, 5, 8, 10, 11, 12, 15, 65_001][random(8)]!
      return option(code, new Uint8Array(random(30)).fill(random(256)))
    })
  )

/** A query such as clients send. */
export const sample = (random: Random): Uint8Array =>
  query({
    id: random(0x10000),
    questions: [
      question(`n${random(500)}.example.test`, [1, 28, 16, 65, 255, 64, 43][random(7)]!, random(20) === 0 ? 3 : 1)
    ],
    additionals: random(3) === 0 ? [] : [opt({ size: [512, 1232, 4096][random(3)]!, options: options(random) })]
  })
