/** What connections of all protocols have in common: what waits on one, and what its owner is told. */
import type { Option } from "../dns/question.ts"
import type { TimerWheel } from "../io/timer-wheel.ts"
import type { Exchange } from "./attempt.ts"

/** A question on its way over a connection, or in line for one. */
export class Call {
  readonly exchange: Exchange
  readonly edns: boolean
  readonly options: ReadonlyArray<Option>
  /** Of the message, or the stream, that carries it. */
  id = 0
  /** Connections that ended under it. */
  losses = 0
  /** Nobody waits for it any more. */
  isGivenUp = false
  connection: Connection | undefined

  constructor(exchange: Exchange, edns: boolean, options: ReadonlyArray<Option>) {
    this.exchange = exchange
    this.edns = edns
    this.options = options
  }
}

export interface Connection {
  /** It has ended. */
  readonly isOver: boolean
  /** It takes questions, now or when others have left. */
  readonly isUsable: boolean
  /** Questions that it takes now. */
  readonly room: number
  /** Questions that wait on it, those that were given up among them. */
  readonly waiting: number
  readonly ask: (call: Call) => void
  /** The call was given up. */
  readonly forget: (call: Call) => void
}

/** Whom a connection belongs to. */
export interface Owner {
  readonly wheel: TimerWheel["Service"]
  /** Octets have come in: time has passed. */
  readonly onBatch: () => void
  /** A question has left the connection: there may be room for another. */
  readonly onRoom: () => void
  /** The connection is over; told before `onLost` is for what waited on it. */
  readonly onClosed: (connection: Connection) => void
  /**
   * A question was not answered, for its connection ended.
   *
   * @param wasGood the connection had answered before, or the server said that it did not look at the question
   */
  readonly onLost: (call: Call, message: string, wasGood: boolean) => void
  /** The server closed a connection on which questions waited, after so many answers. */
  readonly onShortLife: (answers: number) => void
  /** How long a connection on which questions wait may be silent, in milliseconds. */
  readonly silenceMs: () => number
}

/** So long a connection is kept with nothing to do: longer than servers of today keep it. */
export const IDLE_MS = 30_000
