/**
 * Answers that are as dear to read as an attacker's zone can make them, in as many octets as wanted: each well-formed,
 * and named for what is dear in it.
 */
import type { Question } from "../../../../src/dns/question.ts"
import { asked, long, octets, pointer, QUESTION_NAME, question, record, soaData, word } from "../messages.ts"

export interface DearAnswer {
  readonly what: string
  readonly question: Question
  readonly wire: Uint8Array
}

type Maker = (size: number) => DearAnswer

const here = pointer(QUESTION_NAME)
const [A, NS, CNAME, SOA, MX, TXT, SRV, DNAME, RRSIG, NSEC] = [1, 2, 5, 6, 15, 16, 33, 39, 46, 47] as const

/** A message's records one after the other, until it is full. */
class Growing {
  readonly to: Question
  length: number
  readonly counts = [0, 0, 0]
  private readonly size: number
  private readonly parts: Array<Uint8Array> = []

  constructor(to: Question, size: number) {
    this.to = to
    this.size = size
    this.length = QUESTION_NAME + to.name.length + 4
  }

  /** Whether it still had room. */
  add(part: Uint8Array, section = 0): boolean {
    if (this.length + part.length > this.size) return false
    this.parts.push(part)
    this.length += part.length
    this.counts[section]!++
    return true
  }

  done(what: string, flags = 0x8180): DearAnswer {
    const { counts, parts, to } = this
    const head = octets(word(0x1234), word(flags), word(1), word(counts[0]!), word(counts[1]!), word(counts[2]!))
    return { what, question: to, wire: Buffer.concat([head, question(to.name, to.type), ...parts]) }
  }
}

const label = (text: string): Uint8Array => octets(text.length, Buffer.from(text))
const letter = (number: number): string => String.fromCharCode(0x61 + (number % 26))

/** So many labels of one letter, then this number in letters, so that each name ends otherwise. */
const letters = (labels: number, number: number): Uint8Array =>
  octets(
    ...Array.from({ length: labels }, () => label("a")),
    label(letter(number)),
    label(letter(number / 26)),
    label(letter(number / 676)),
    0
  )

/** Fills an answer with records made of a number, and of where each begins. */
const filled = (
  what: string,
  to: Question,
  size: number,
  make: (number: number, at: number) => Uint8Array,
  section = 0,
  flags?: number
): DearAnswer => {
  const growing = new Growing(to, size)
  for (let number = 0; growing.add(make(number, growing.length), section); number++) {}
  return growing.done(what, flags)
}

const www = asked("www.example.com")
const mail = asked("www.example.com", MX)

/** Each makes one that is as large as it can be in so many octets. */
export const dearMakers: ReadonlyArray<Maker> = [
  (size) =>
    filled("MX with 120 labels of one letter, each with another end", mail, size, (number) =>
      record(here, MX, 60, octets(word(1), letters(117, number)))
    ),
  (size) =>
    filled("NS that differ in their first label only", asked("www.example.com", NS), size, (number, at) => {
      const first = QUESTION_NAME + www.name.length + 4 + 12
      const long63 = label("x".repeat(63))
      if (number === 0) return record(here, NS, 60, octets(long63, long63, long63, label("y".repeat(50)), 0))
      return record(here, NS, 60, octets(label(String(number)), at < 0 ? [] : pointer(first + 64)))
    }),
  (size) =>
    filled("MX of 255 octets that differ in the last only", mail, size, (number) => {
      const long63 = label("x".repeat(63))
      const end = octets(label("z".repeat(57)), 2, [33 + (number % 90), 33 + Math.floor(number / 90)], 0)
      return record(here, MX, 60, octets(word(1), long63, long63, long63, end))
    }),
  (size) => {
    // Each name is the one before with a letter more, until it may not be longer; pointers do not reach past 16,383.
    let before: Uint8Array = octets(0)
    return filled("MX a letter before the one before", mail, size, (number, at) => {
      const name = octets(label(letter(number)), label(letter(number / 26)), before)
      if (at + 14 < 0x4000) before = number % 60 === 59 ? octets(0) : pointer(at + 14)
      return record(here, MX, 60, octets(word(1), name))
    })
  },
  (size) => {
    const links = Math.floor((size - 40) / 30)
    return filled("CNAMEs in a chain, the last first", asked("a.n0"), size, (number) => {
      const from = links - 1 - number
      return from < 0
        ? new Uint8Array(70_000)
        : record(octets(label("a"), label(`n${from}`), 0), CNAME, 60, octets(label("a"), label(`n${from + 1}`), 0))
    })
  },
  (size) =>
    filled("CNAMEs at one name", www, size, (number) => record(here, CNAME, 60, octets(label(`c${number}`), 0))),
  (size) => filled("records of the root without data", asked("", TXT), size, () => record([0], TXT, 60, [])),
  (size) => filled("addresses by the thousand", www, size, (number) => record(here, A, 60, long(0x0a00_0000 + number))),
  (size) =>
    filled("addresses at names of their own", www, size, (number) =>
      record(octets(label(`h${number}`), here), A, 60, [192, 0, 2, 1])
    ),
  (size) =>
    filled("a type of its own for each record", asked("www.example.com", 255), size, (number) =>
      record(here, 1000 + number, 60, [1])
    ),
  (size) =>
    filled("SRV to long names that are not compressed", asked("www.example.com", SRV), size, (number) =>
      record(here, SRV, 60, octets(word(0), word(0), word(53), letters(117, number)))
    ),
  (size) =>
    filled("SRV by pointers to one long name", asked("www.example.com", SRV), size, (number, at) =>
      number === 0
        ? record(here, SRV, 60, octets(word(0), word(0), word(53), letters(117, 1)))
        : record(here, SRV, 60, octets(word(0), word(number), word(53), pointer(at < 0 ? 0 : 51)))
    ),
  (size) =>
    filled(
      "SOA with two long names each",
      www,
      size,
      (number) =>
        record(
          [0],
          SOA,
          60,
          octets(letters(117, number), letters(100, number + 7), long(1), long(2), long(3), long(4), long(5))
        ),
      1
    ),
  (size) => {
    // A ladder of pointers in data that nobody reads as names, then owners that begin at its steps.
    const growing = new Growing(www, size)
    const steps = Math.min(7000, Math.floor(size / 5))
    const first = growing.length + 12
    const ladder = Array.from({ length: steps }, (_, step) =>
      pointer(step === 0 ? QUESTION_NAME : first + 2 * (step - 1))
    )
    growing.add(record(here, TXT, 60, Buffer.concat(ladder)))
    for (
      let step = steps - 1;
      growing.add(record(pointer(first + 2 * step), A, 60, [192, 0, 2, 1]));
      step = (step + steps - 1) % steps
    ) {}
    return growing.done("pointers to pointers")
  },
  (size) => {
    // Three labels of 63 octets and one of 61 from each octet on, in data that nobody reads as names.
    const growing = new Growing(asked("www.example.com", NS), size)
    const first = growing.length + 12
    const block = Buffer.concat([Buffer.alloc(192, 63), Buffer.alloc(62, 61), Buffer.alloc(64, 0)])
    const blocks = Math.max(1, Math.floor(Math.min(size / 3, 16_000) / block.length))
    growing.add(record(here, TXT, 60, Buffer.concat(Array.from({ length: blocks }, () => block))))
    const location = (number: number): Uint8Array =>
      pointer(first + block.length * (Math.floor(number / 62) % blocks) + (number % 62))
    for (let number = 0; growing.add(record(location(number), NS, 60, location(number + 1))); number += 2) {}
    return growing.done("labels that overlap")
  },
  (size) =>
    filled(
      "DNAMEs above a name that none makes too long",
      asked(`${"a.".repeat(100)}example.com`),
      size,
      (number) => record(pointer(QUESTION_NAME + 2 * (number % 100)), DNAME, 60, [1, 0x61, 0]),
      0,
      0x8186
    ),
  (size) =>
    filled(
      "NSEC and signatures of as many zones",
      { ...www, dnssecOk: true },
      size,
      (number) => {
        const owner = octets(label(`n${number >> 1}`), here)
        const signature = octets(word(NSEC), new Uint8Array(16), letters(80, number), new Uint8Array(64))
        return number % 2 === 0 ? record(owner, NSEC, 60, letters(100, number)) : record(owner, RRSIG, 60, signature)
      },
      1
    ),
  (size) => {
    const growing = new Growing(mail, size)
    for (let number = 0; growing.length < size / 2; number++)
      growing.add(record(here, MX, 60, octets(word(1), label(`m${number}`), here)))
    for (let number = 0; growing.add(record(octets(label(`m${number}`), here), A, 60, [192, 0, 2, 1]), 2); number++) {}
    return growing.done("MX and the addresses of each")
  },
  (size) =>
    filled("a negative answer's SOA again and again", www, size, () => record(here, SOA, 60, soaData(60)), 1, 0x8183)
]
