/**
 * A line in which clients and zones take turns.
 *
 * Who comes stands with the others of its client, or of its zone, whichever has more in line by then: a client that asks
 * for names all over, and a zone that is asked for from everywhere, are one party each, whatever they hold. Parties take
 * turns; within a client's its zones do, within a zone's its clients; and there it is first come, first served.
 *
 * So nobody whose queries come by the thousand stands in the way of the others. Anyone may leave from the middle.
 */
import { OpenTable } from "../../runtime/open-table.ts"
import { close, type InTurn, largestOf, open } from "./ring.ts"

export class Waiter {
  next: Waiter | undefined
  previous: Waiter | undefined
  zone = 0
  client = 0
  /** Where it stands. */
  queue: Queue | undefined
}

/** Those of one client and one zone; a queue with nobody in it is not kept. */
class Queue implements InTurn<Queue> {
  readonly party: Party
  readonly key: number
  length = 0
  first: Waiter | undefined
  last: Waiter | undefined
  next: Queue
  previous: Queue

  constructor(party: Party, key: number) {
    this.party = party
    this.key = key
    this.next = this
    this.previous = this
  }
}

/** A client or a zone, and its queues. */
class Party implements InTurn<Party> {
  readonly key: number
  length = 0
  /** Whose turn is next. */
  turn: Queue | undefined
  next: Party
  previous: Party

  constructor(key: number) {
    this.key = key
    this.next = this
    this.previous = this
  }
}

/** Cells for counts: so many that it is rare to share one with somebody who has much. */
const CELLS = 65_536

export class FairLine<W extends Waiter> {
  length = 0
  /** Whose turn is next. */
  private turn: Party | undefined
  private readonly parties = new OpenTable<Party, number>(
    ({ key }) => key,
    (party, key) => party.key === key
  )
  private readonly queues = new OpenTable<Queue, Pick<Queue, "party" | "key">>(
    hashOf,
    (queue, { party, key }) => queue.party === party && queue.key === key
  )
  /** Who stands in line, by zone and by client: a table of fixed size, however many of them there are. */
  private readonly ofZones = new Uint32Array(CELLS)
  private readonly ofClients = new Uint32Array(CELLS)

  push(waiter: W, zone: number, client: number): void {
    waiter.zone = zone
    waiter.client = client
    const isByClient = this.isByClient(zone, client)
    this.ofZones[cellOf(zone)]!++
    this.ofClients[cellOf(client)]!++
    const key = isByClient ? clientKey(client) : zone
    const party = this.parties.get(key, key) ?? this.openParty(key)
    const queue = this.queueOf(party, isByClient ? zone : client) ?? this.openQueue(party, isByClient ? zone : client)
    waiter.queue = queue
    waiter.previous = queue.last
    if (queue.last === undefined) queue.first = waiter
    else queue.last.next = waiter
    queue.last = waiter
    queue.length++
    party.length++
    this.length++
  }

  shift(): W | undefined {
    const party = this.turn
    if (party === undefined) return undefined
    const queue = party.turn!
    this.turn = party.next
    party.turn = queue.next
    const waiter = queue.first as W
    this.remove(waiter)
    return waiter
  }

  /** Returns whether it stood in line. */
  remove(waiter: W): boolean {
    const { queue } = waiter
    if (queue === undefined) return false
    if (waiter.previous === undefined) queue.first = waiter.next
    else waiter.previous.next = waiter.next
    if (waiter.next === undefined) queue.last = waiter.previous
    else waiter.next.previous = waiter.previous
    waiter.next = undefined
    waiter.previous = undefined
    waiter.queue = undefined
    this.ofZones[cellOf(waiter.zone)]!--
    this.ofClients[cellOf(waiter.client)]!--
    this.length--
    const { party } = queue
    if (--queue.length === 0) {
      this.queues.delete(queue)
      party.turn = close(party.turn, queue)
    }
    if (--party.length === 0) {
      this.parties.delete(party)
      this.turn = close(this.turn, party)
    }
    return true
  }

  /**
   * Who makes room for one of this zone and client: the one who came last of those who have the most in line, if they
   * have more than it would have with one more.
   */
  victimFor(zone: number, client: number): W | undefined {
    if (this.turn === undefined) return undefined
    const isByClient = this.isByClient(zone, client)
    const key = isByClient ? clientKey(client) : zone
    const own = this.parties.get(key, key)
    const party = largestOf(this.turn)
    const queue = largestOf(party.turn!)
    if (party !== own) return party.length > (own?.length ?? 0) + 1 ? (queue.last as W) : undefined
    const ownQueue = this.queueOf(party, isByClient ? zone : client)
    return queue.length > (ownQueue?.length ?? 0) + 1 ? (queue.last as W) : undefined
  }

  private isByClient(zone: number, client: number): boolean {
    return this.ofClients[cellOf(client)]! >= this.ofZones[cellOf(zone)]!
  }

  private queueOf(party: Party, key: number): Queue | undefined {
    sought.party = party
    sought.key = key
    return this.queues.get(hashOf(sought), sought)
  }

  private openParty(key: number): Party {
    const party = new Party(key)
    this.parties.add(party)
    this.turn = open(this.turn, party)
    return party
  }

  private openQueue(party: Party, key: number): Queue {
    const queue = new Queue(party, key)
    this.queues.add(queue)
    party.turn = open(party.turn, queue)
    return queue
  }
}

const cellOf = (number: number): number => (number ^ (number >>> 16)) & (CELLS - 1)

/** A client is no zone, whatever their numbers. */
const clientKey = (client: number): number => ~client

const hashOf = ({ party, key }: Pick<Queue, "party" | "key">): number => Math.imul(party.key, 31) ^ key

/** Used again from search to search. */
const sought = { party: new Party(0), key: 0 }
