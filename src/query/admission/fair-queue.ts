/**
 * A queue that is fair between flows.
 *
 * A query joins the flow of its client, or of its zone, whichever has more queries in the queue at that moment. So a
 * client that asks for many different names is one flow, and a zone that many clients ask for is one flow, however many
 * queries they have. The flows are served in turn; within a client's flow its zones are served in turn, within a zone's
 * flow its clients; each of these subqueues is first come, first served.
 *
 * So a flood from one client, or for one zone, does not delay the others. A query can leave from the middle of the
 * queue.
 */
import { OpenTable } from "../../runtime/open-table.ts"
import { enter, largestOf, leave, type RingMember } from "./ring.ts"

export class Waiter {
  next: Waiter | undefined
  previous: Waiter | undefined
  zone = 0
  client = 0
  /** The subqueue that it is in. */
  subqueue: Subqueue | undefined
}

/** The queries of one client for one zone. An empty subqueue is removed. */
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

/** A client or a zone, with its subqueues. */
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

/** Buckets of the counts: so many that two large flows rarely share one. */
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
  /** Queries in the queue by zone and by client, in tables of fixed size. */
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

  /** Returns whether it was in the queue. */
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
   * The query that makes room for a new one of this zone and client: the last of the longest flow, if that flow is
   * longer than the new query's flow would become.
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

/** Keeps the keys of clients apart from those of zones. */
const clientKey = (client: number): number => ~client

const hashOf = ({ flow, key }: Pick<Subqueue, "flow" | "key">): number => Math.imul(flow.key, 31) ^ key

/** Reused for each search, so that nothing is allocated. */
const sought = { flow: new Flow(0), key: 0 }
