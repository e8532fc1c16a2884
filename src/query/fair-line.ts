/**
 * A line in which zones take turns: first come, first served within a zone, and one of each zone after the other.
 *
 * So one zone whose queries come by the thousand and wait long cannot stand in the way of the others. Anyone may leave
 * from the middle.
 */
import { OpenTable } from "../io/open-table.ts"

export class Waiter {
  next: Waiter | undefined
  previous: Waiter | undefined
  /** The zone in whose queue it stands. */
  queue: Queue | undefined
}

/** Those of one zone; a queue with nobody in it is not kept. */
class Queue {
  readonly zone: number
  length = 0
  first: Waiter | undefined
  last: Waiter | undefined
  /** The ring of queues, in the order of their turns. */
  next: Queue
  previous: Queue

  constructor(zone: number) {
    this.zone = zone
    this.next = this
    this.previous = this
  }
}

export class FairLine<W extends Waiter> {
  length = 0
  /** Whose turn is next. */
  private turn: Queue | undefined
  private readonly queues = new OpenTable<Queue, number>(
    ({ zone }) => zone,
    (queue, zone) => queue.zone === zone
  )

  push(waiter: W, zone: number): void {
    const queue = this.queues.get(zone, zone) ?? this.open(zone)
    waiter.queue = queue
    waiter.previous = queue.last
    if (queue.last === undefined) queue.first = waiter
    else queue.last.next = waiter
    queue.last = waiter
    queue.length++
    this.length++
  }

  shift(): W | undefined {
    const queue = this.turn
    if (queue === undefined) return undefined
    this.turn = queue.next
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
    this.length--
    if (--queue.length === 0) this.close(queue)
    return true
  }

  /** The one who came last of the zone that has the most in line, if that has more than `zone` would have with one more. */
  victimFor(zone: number): W | undefined {
    if (this.turn === undefined) return undefined
    let largest = this.turn
    for (let queue = this.turn.next; queue !== this.turn; queue = queue.next) {
      if (queue.length > largest.length) largest = queue
    }
    const own = this.queues.get(zone, zone)
    return largest.length > (own?.length ?? 0) + 1 ? (largest.last as W) : undefined
  }

  private open(zone: number): Queue {
    const queue = new Queue(zone)
    this.queues.add(queue)
    if (this.turn === undefined) {
      this.turn = queue
    } else {
      queue.next = this.turn
      queue.previous = this.turn.previous
      queue.previous.next = queue
      this.turn.previous = queue
    }
    return queue
  }

  private close(queue: Queue): void {
    this.queues.delete(queue)
    queue.next.previous = queue.previous
    queue.previous.next = queue.next
    if (this.turn === queue) this.turn = queue.next === queue ? undefined : queue.next
  }
}
