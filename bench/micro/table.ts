/**
 * What the answer table costs: `node bench/micro/table.ts`, on a machine with nothing else to do.
 *
 * Typical answers: names of 22 octets, messages of 90; and long ones of 1,200. Nanoseconds an operation, the best of
 * several rounds; the slowest thousandth of stores; octets an entry takes all in.
 */
import { Clock, Effect } from "effect"
import { Key } from "../../src/cache/table/key.ts"
import { TableMemory } from "../../src/cache/table/memory.ts"
import { AnswerTable } from "../../src/cache/table/table.ts"

const MIB = 1024 * 1024
const clock = Effect.runSync(Clock.clockWith(Effect.succeed))

/** The answer to the name of that number: header, question, and as many octets as make up the length. */
const answerOf = (number: number, length: number): Uint8Array => {
  const answer = new Uint8Array(length)
  const name = `host${String(number).padStart(8, "0")}`
  answer[12] = name.length
  answer.set(Buffer.from(name), 13)
  answer.set(Buffer.from("\u0007example\0"), 25)
  answer[35] = 1
  answer[37] = 1
  return answer
}
const NAME_LENGTH = 22

const keyOf = (key: Key, wire: Uint8Array): void => {
  key.wire = wire
  key.nameAt = 12
  key.nameLength = NAME_LENGTH
  key.type = 1
}

const tableOf = (octets: number): AnswerTable => new AnswerTable(TableMemory.create(octets, clock), 1, clock, () => {})

/** Nanoseconds a call, the best of some rounds. */
const measure = (calls: number, round: () => void): number => {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 7; i++) {
    const startedMs = performance.now()
    round()
    best = Math.min(best, ((performance.now() - startedMs) * 1e6) / calls)
  }
  return best
}

const say = (what: string, figure: number, unit: string): void =>
  console.log(`${what.padEnd(64)} ${figure.toFixed(1).padStart(10)} ${unit}`)

/** Packets come one after the other from one buffer, as from a socket, in an order that no cache foresees. */
const lookups = (names: number, length: number, octets: number): void => {
  const table = tableOf(octets)
  const key = new Key()
  const order = shuffled(names)
  const packets = new Uint8Array(names * 40)
  for (let i = 0; i < names; i++) {
    const answer = answerOf(order[i]!, length)
    packets.set(answer.subarray(0, 38), i * 40)
    keyOf(key, answer)
    table.hash(key)
    table.store(key, answer, 3600)
  }
  const calls = 1_000_000
  let hits = 0
  const again = shuffled(names)
  const packetsAgain = new Uint8Array(names * 40)
  for (let i = 0; i < names; i++) packetsAgain.set(packets.subarray(again[i]! * 40, again[i]! * 40 + 40), i * 40)
  const spent = measure(calls, () => {
    let next = 0
    for (let i = 0; i < calls; i++) {
      keyOf(key, packetsAgain)
      key.nameAt = next * 40 + 12
      table.hash(key)
      if (table.lookup(key) !== undefined) hits++
      if (++next === names) next = 0
    }
  })
  const found = `${((100 * hits) / calls / 7).toFixed(1)} % hits`
  say(`hit with its hash, ${length} octets, ${names} names (${found})`, spent, "ns")
}

const shuffled = (count: number): Int32Array => {
  const order = Int32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const swapped = order[i]!
    order[i] = order[j]!
    order[j] = swapped
  }
  return order
}

const misses = (): void => {
  const table = tableOf(64 * MIB)
  const key = new Key()
  const packets = Array.from({ length: 100_000 }, (_, i) => answerOf(i, 90))
  for (const packet of packets) {
    keyOf(key, packet)
    table.hash(key)
    table.store(key, packet, 3600)
  }
  const absent = Array.from({ length: 1000 }, (_, i) => answerOf(1_000_000 + i, 90))
  const spent = measure(100_000, () => {
    for (let i = 0; i < 100_000; i++) {
      keyOf(key, absent[i % 1000]!)
      table.hash(key)
      table.lookup(key)
    }
  })
  say("miss with its hash", spent, "ns")
}

const hashes = (): void => {
  const table = tableOf(MIB)
  const key = new Key()
  const packets = Array.from({ length: 1000 }, (_, i) => answerOf(i, 90))
  let sum = 0
  const spent = measure(1_000_000, () => {
    for (let i = 0; i < 1_000_000; i++) {
      keyOf(key, packets[i % 1000]!)
      table.hash(key)
      sum ^= key.hash
    }
  })
  say(`hash of a name of ${NAME_LENGTH} octets (${sum & 1})`, spent, "ns")
}

const stores = (what: string, length: number, octets: number, names: number, warm: boolean): void => {
  const table = tableOf(octets)
  const key = new Key()
  const packets = Array.from({ length: names }, (_, i) => answerOf(i, length))
  const put = (i: number): void => {
    keyOf(key, packets[i]!)
    table.hash(key)
    table.store(key, packets[i]!, 3600)
  }
  if (warm) for (let i = 0; i < names; i++) put(i)
  const startedMs = performance.now()
  for (let i = 0; i < names; i++) put(i)
  say(`store with its hash, ${length} octets, ${what}`, ((performance.now() - startedMs) * 1e6) / names, "ns")
  const slow = new Float64Array(names)
  for (let i = 0; i < names; i++) {
    const from = performance.now()
    if ((i & 7) === 0) {
      keyOf(key, packets[i]!)
      table.hash(key)
      table.lookup(key)
    }
    put(i)
    slow[i] = performance.now() - from
  }
  slow.sort()
  say(`  its slowest thousandth`, slow[Math.floor(names * 0.999)]! * 1e6, "ns")
}

/** Fills a table twice over with names that are asked for once. */
const room = (length: number, octets: number): void => {
  const table = tableOf(octets)
  const key = new Key()
  const names = Math.ceil((2 * octets) / (length + 40))
  for (let i = 0; i < names; i++) {
    const answer = answerOf(i, length)
    keyOf(key, answer)
    table.hash(key)
    table.store(key, answer, 3600)
  }
  const { entries, capacity } = table.statistics()
  say(`octets an entry, all in, full table, ${length} octets of answer`, capacity / entries, "octets")
  say(`  share of the memory that is answers`, (100 * entries * length) / capacity, "%")
}

hashes()
lookups(1000, 90, 64 * MIB)
lookups(100_000, 90, 64 * MIB)
lookups(1_000_000, 90, 256 * MIB)
lookups(1000, 1200, 64 * MIB)
misses()
stores("new, main ring filling", 90, 256 * MIB, 1_000_000, false)
stores("again, in place", 90, 256 * MIB, 1_000_000, true)
stores("new, table full", 90, 16 * MIB, 1_000_000, true)
stores("new, table full", 1200, 64 * MIB, 200_000, true)
room(90, 64 * MIB)
room(1200, 64 * MIB)
