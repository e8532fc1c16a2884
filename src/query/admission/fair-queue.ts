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
import { enter, largestOf, leave, type RingMember } from "./ring.ts"

export class Waiter {
  next: Waiter | undefined
  previous: Waiter | undefined
  zone = 0
  client = 0
  /** Where it stands. */
  subqueue: Subqueue | undefined
}

/** Those of one client and one zone; a queue with nobody in it is not kept. */
class Subqueue implements RingMember<Subqueue> {
  readonly flow: Flow
  readonly key: number
  length = 0
  first: Waiter | undefined
  last: Waiter | undefined
  next: Subqueue
  previous: Subqueue

  constructor(flow: Flow, key: number) {
    this.flow = flow
    this.key = key
    this.next = this
    this.previous = this
  }
}

/** A client or a zone, and its queues. */
class Flow implements RingMember<Flow> {
  readonly key: number
  length = 0
  /** Whose turn is next. */
  cursor: Subqueue | undefined
  next: Flow
  previous: Flow

  constructor(key: number) {
    this.key = key
    this.next = this
    this.previous = this
  }
}

/** Cells for counts: so many that it is rare to share one with somebody who has much. */
const BUCKETS = 65_536

export class FairQueue<W extends Waiter> {
  length = 0
  /** Whose turn is next. */
  private cursor: Flow | undefined
  private readonly flows = new OpenTable<Flow, number>(
    ({ key }) => key,
    (flow, key) => flow.key === key
  )
  private readonly subqueues = new OpenTable<Subqueue, Pick<Subqueue, "flow" | "key">>(
    hashOf,
    (subqueue, { flow, key }) => subqueue.flow === flow && subqueue.key === key
  )
  /** Who stands in line, by zone and by client: a table of fixed size, however many of them there are. */
  private readonly ofZones = new Uint32Array(BUCKETS)
  private readonly ofClients = new Uint32Array(BUCKETS)

  push(waiter: W, zone: number, client: number): void {
    waiter.zone = zone
    waiter.client = client
    const isByClient = this.isByClient(zone, client)
    this.ofZones[bucketOf(zone)]!++
    this.ofClients[bucketOf(client)]!++
    const key = isByClient ? clientKey(client) : zone
    const flow = this.flows.get(key, key) ?? this.openFlow(key)
    const subqueue =
      this.subqueueOf(flow, isByClient ? zone : client) ?? this.openSubqueue(flow, isByClient ? zone : client)
    waiter.subqueue = subqueue
    waiter.previous = subqueue.last
    if (subqueue.last === undefined) subqueue.first = waiter
    else subqueue.last.next = waiter
    subqueue.last = waiter
    subqueue.length++
    flow.length++
    this.length++
  }

  shift(): W | undefined {
    const flow = this.cursor
    if (flow === undefined) return undefined
    const subqueue = flow.cursor!
    this.cursor = flow.next
    flow.cursor = subqueue.next
    const waiter = subqueue.first as W
    this.remove(waiter)
    return waiter
  }

  /** Returns whether it stood in line. */
  remove(waiter: W): boolean {
    const { subqueue } = waiter
    if (subqueue === undefined) return false
    if (waiter.previous === undefined) subqueue.first = waiter.next
    else waiter.previous.next = waiter.next
    if (waiter.next === undefined) subqueue.last = waiter.previous
    else waiter.next.previous = waiter.previous
    waiter.next = undefined
    waiter.previous = undefined
    waiter.subqueue = undefined
    this.ofZones[bucketOf(waiter.zone)]!--
    this.ofClients[bucketOf(waiter.client)]!--
    this.length--
    const { flow } = subqueue
    if (--subqueue.length === 0) {
      this.subqueues.delete(subqueue)
      flow.cursor = leave(flow.cursor, subqueue)
    }
    if (--flow.length === 0) {
      this.flows.delete(flow)
      this.cursor = leave(this.cursor, flow)
    }
    return true
  }

  /**
   * Who makes room for one of this zone and client: the one who came last of those who have the most in line, if they
   * have more than it would have with one more.
   */
  victimFor(zone: number, client: number): W | undefined {
    if (this.cursor === undefined) return undefined
    const isByClient = this.isByClient(zone, client)
    const key = isByClient ? clientKey(client) : zone
    const own = this.flows.get(key, key)
    const flow = largestOf(this.cursor)
    const subqueue = largestOf(flow.cursor!)
    if (flow !== own) return flow.length > (own?.length ?? 0) + 1 ? (subqueue.last as W) : undefined
    const ownSubqueue = this.subqueueOf(flow, isByClient ? zone : client)
    return subqueue.length > (ownSubqueue?.length ?? 0) + 1 ? (subqueue.last as W) : undefined
  }

  private isByClient(zone: number, client: number): boolean {
    return this.ofClients[bucketOf(client)]! >= this.ofZones[bucketOf(zone)]!
  }

  private subqueueOf(flow: Flow, key: number): Subqueue | undefined {
    sought.flow = flow
    sought.key = key
    return this.subqueues.get(hashOf(sought), sought)
  }

  private openFlow(key: number): Flow {
    const flow = new Flow(key)
    this.flows.add(flow)
    this.cursor = enter(this.cursor, flow)
    return flow
  }

  private openSubqueue(flow: Flow, key: number): Subqueue {
    const subqueue = new Subqueue(flow, key)
    this.subqueues.add(subqueue)
    flow.cursor = enter(flow.cursor, subqueue)
    return subqueue
  }
}

const bucketOf = (number: number): number => (number ^ (number >>> 16)) & (BUCKETS - 1)

/** A client is no zone, whatever their numbers. */
const clientKey = (client: number): number => ~client

const hashOf = ({ flow, key }: Pick<Subqueue, "flow" | "key">): number => Math.imul(flow.key, 31) ^ key

/** Used again from search to search. */
const sought = { flow: new Flow(0), key: 0 }
