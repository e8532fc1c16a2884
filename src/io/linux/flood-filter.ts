/**
 * Floods are turned away by the kernel. A client that sends far more than it may, and more than the thread can take, fills the
 * socket's queue, so that what others send is lost. A program of the packet filter drops most of what it sends before it is
 * queued.
 *
 * Only where others suffer, for the queue overflows or stays so long that they wait for milliseconds: until then each query is
 * looked at, and who is flooded for under a forged address is answered where he shows a cookie. One datagram in 64 comes all the
 * same, and every ten seconds all of them, so that nobody is away for longer than the flood.
 */
import type { Peer } from "../peer.ts"
import type { Libc } from "./libc.ts"
import { attachProgram, Bpf, detachProgram, type Instruction, NETWORK_HEADER, RANDOM_WORD } from "./packet-filter.ts"
import type { SocketQueue } from "./socket.ts"

const SO_ATTACH_FILTER = 26
const SO_DETACH_FILTER = 27

/** So many queries too many within so long make a flood: 50,000 a second. */
const FLOOD = 5_000
const FLOOD_MS = 100
/** Octets of memory that what waits may take, some thousand datagrams: they are received within some milliseconds. */
const LONG_QUEUE = 1 << 20
/** The queue stays long where it is so each time that as many queries as make a flood were too many. */
const TIMES_LONG = 3
/** One in so many still comes, a power of two. */
const SAMPLE = 64
/** Between two looks whether it goes on. */
const LOOK_MS = 1_000
/** Datagrams that the kernel drops between two looks; where they are fewer, it is over. */
const GOES_ON = ((FLOOD / FLOOD_MS) * LOOK_MS) / 2
/** Looks after which all are let in again: who still sends a flood is turned away anew. */
const LOOKS = 10
/** Clients that are counted, or turned away, at a time: of those that are counted the one that sent least makes room. */
const CLIENTS = 8
/** Octets of a datagram that is let through: all. */
const WHOLE = 0xffffffff
/** Where the source stands in the header of IPv4 and of IPv6. */
const IPV4_SOURCE = NETWORK_HEADER + 12
const IPV6_SOURCE = NETWORK_HEADER + 8

export interface FloodFilterOptions {
  readonly libc: Libc
  readonly fd: number
  readonly queue: () => SocketQueue
  /** Told who is turned away from now on, by the address. */
  readonly onFlood: (client: string) => void
  readonly nowMs?: () => number
}

/** An IPv4 address, or a network of 64 bits: in IPv6 a client may choose among so many addresses. */
interface Client {
  readonly isIPv4: boolean
  /** The address: of IPv4 the last, of IPv6 the first two. */
  readonly high: number
  readonly low: number
  /** Too many, since then. */
  count: number
  sinceMs: number
  droppedBefore: number
  /** How often in a row the queue was long. */
  timesLong: number
  isTurnedAway: boolean
}

const words = new Uint32Array(4)

export class FloodFilter {
  private readonly options: FloodFilterOptions
  private readonly nowMs: () => number
  private readonly clients: Array<Client> = []
  private timer: NodeJS.Timeout | undefined
  private turnedAwayMs = 0
  private droppedBefore = 0
  private looks = 0

  constructor(options: FloodFilterOptions) {
    this.options = options
    this.nowMs = options.nowMs ?? (() => performance.now())
  }

  /** A query of this client's was one too many for its network. */
  note(peer: Peer): void {
    const client = this.clientOf(peer)
    client.count++
    if (client.isTurnedAway || client.count < FLOOD) return
    const nowMs = this.nowMs()
    const { dropped, octets } = this.options.queue()
    const isFlood = nowMs - client.sinceMs <= FLOOD_MS
    client.timesLong = isFlood && octets >= LONG_QUEUE ? client.timesLong + 1 : 0
    const doesHarm = dropped > client.droppedBefore || client.timesLong >= TIMES_LONG
    if (isFlood && doesHarm) this.turnAway(client, peer, nowMs, dropped)
    client.count = 0
    client.sinceMs = nowMs
    client.droppedBefore = dropped
  }

  /** The socket is about to be closed, or to be read by others. */
  close(): void {
    this.letAllIn()
  }

  /** To be called once in `LOOK_MS` while anybody is turned away. */
  look(): void {
    const nowMs = this.nowMs()
    if (nowMs - this.turnedAwayMs < LOOK_MS / 2) return
    const { dropped } = this.options.queue()
    const isOver = dropped - this.droppedBefore < GOES_ON
    this.droppedBefore = dropped
    if (isOver || ++this.looks >= LOOKS) this.letAllIn()
    // Another thread that has read this socket meanwhile may have taken the program away.
    else this.attach()
  }

  private clientOf(peer: Peer): Client {
    const { clients } = this
    const isIPv4 = peer.readWords(words)
    const high = isIPv4 ? 0 : words[0]!
    const low = isIPv4 ? words[3]! : words[1]!
    for (const client of clients) {
      if (client.low === low && client.high === high && client.isIPv4 === isIPv4) return client
    }
    const made: Client = {
      isIPv4,
      high,
      low,
      count: 0,
      sinceMs: this.nowMs(),
      // Not known before the first count: the kernel is not asked for each client.
      droppedBefore: Number.POSITIVE_INFINITY,
      timesLong: 0,
      isTurnedAway: false
    }
    if (clients.length < CLIENTS) clients.push(made)
    else {
      let least = 0
      for (let i = 1; i < CLIENTS; i++) if (weightOf(clients[i]!) < weightOf(clients[least]!)) least = i
      if (!clients[least]!.isTurnedAway) clients[least] = made
    }
    return made
  }

  private turnAway(client: Client, peer: Peer, nowMs: number, dropped: number): void {
    client.isTurnedAway = true
    if (!this.attach()) {
      client.isTurnedAway = false
      return
    }
    this.turnedAwayMs = nowMs
    this.droppedBefore = dropped
    this.options.onFlood(peer.address)
    if (this.timer !== undefined) return
    this.looks = 0
    this.timer = setInterval(() => this.look(), LOOK_MS)
    this.timer.unref()
  }

  private letAllIn(): void {
    if (this.timer === undefined) return
    clearInterval(this.timer)
    this.timer = undefined
    // They are counted from the beginning: what the program has dropped harmed nobody.
    this.clients.length = 0
    letAllIn(this.options.libc, this.options.fd)
  }

  /** @returns whether the kernel does what it is told to */
  private attach(): boolean {
    const { fd, libc } = this.options
    return attachProgram(libc, fd, SO_ATTACH_FILTER, programFor(this.clients.filter((client) => client.isTurnedAway)))
  }
}

/** What was turned away before, by whoever read this socket, comes again. */
export const letAllIn = (libc: Libc, fd: number): void => detachProgram(libc, fd, SO_DETACH_FILTER)

const weightOf = ({ count, isTurnedAway }: Client): number => (isTurnedAway ? Number.POSITIVE_INFINITY : count)

/** Drops what comes from these clients, but for a sample. */
const programFor = (clients: ReadonlyArray<Client>): ReadonlyArray<Instruction> => {
  const blocks = clients.map(comparisonsOf)
  const length = blocks.reduce((sum, block) => sum + block.length + 1, 0)
  const program: Array<Instruction> = []
  for (const block of blocks) {
    program.push(...block)
    // Behind all blocks stands what lets the others through, and behind that the sample.
    program.push([Bpf.Jump, 0, 0, length - program.length])
  }
  return [
    ...program,
    [Bpf.Return, 0, 0, WHOLE],
    [Bpf.LoadWord, 0, 0, RANDOM_WORD],
    [Bpf.And, 0, 0, SAMPLE - 1],
    [Bpf.JumpIfEqual, 0, 1, 0],
    [Bpf.Return, 0, 0, WHOLE],
    [Bpf.Return, 0, 0, 0]
  ]
}

/** Goes on behind it where the source is that of the client, and past one instruction more where it is not. */
const comparisonsOf = ({ high, isIPv4, low }: Client): ReadonlyArray<Instruction> =>
  isIPv4
    ? [
        [Bpf.LoadWord, 0, 0, IPV4_SOURCE],
        [Bpf.JumpIfEqual, 0, 1, low]
      ]
    : [
        [Bpf.LoadWord, 0, 0, IPV6_SOURCE],
        [Bpf.JumpIfEqual, 0, 3, high],
        [Bpf.LoadWord, 0, 0, IPV6_SOURCE + 4],
        [Bpf.JumpIfEqual, 0, 1, low]
      ]
