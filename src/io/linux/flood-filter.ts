/**
 * Floods are turned away by the kernel. A network that sends far more than it may fills the socket's queue, so that what
 * others send is lost, and has the thread busy with refusing it. A program of the packet filter drops most of what it sends
 * before either.
 *
 * One datagram in 64 of its still comes. By those the flood is seen to go on; and somebody in whose name it is sent is not
 * shut out: his queries come now and then, and by TCP all of them.
 */
import type { NetworkPrefixes, Peer } from "../peer.ts"
import type { Libc } from "./libc.ts"
import { attachProgram, Bpf, detachProgram, type Instruction, NETWORK_HEADER, RANDOM_WORD } from "./packet-filter.ts"

const SO_ATTACH_FILTER = 26
const SO_DETACH_FILTER = 27

/** So much too much within so long is a flood: 50,000 a second, a tenth of what a thread can refuse. */
const FLOOD = 5_000
const FLOOD_MS = 100
/** One in so many still comes, a power of two. */
const SAMPLE = 64
/** Between two looks whether a flood is over. */
const LOOK_MS = 1_000
/** Of what comes through of a flood between two looks; where less than half of it does, the flood is over. */
const GOES_ON = ((FLOOD / FLOOD_MS) * LOOK_MS) / SAMPLE / 2
/** Networks that are counted, or turned away, at a time: of those that are counted the one that sent least makes room. */
const NETWORKS = 8
const EVERY_BIT = 0xffffffff
/** Octets of a datagram that is let through: all. */
const WHOLE = 0xffffffff
/** Where the source stands in the header of IPv4 and of IPv6. */
const IPV4_SOURCE = NETWORK_HEADER + 12
const IPV6_SOURCE = NETWORK_HEADER + 8

interface Network {
  readonly isIPv4: boolean
  /** The address as words, and which bits of each make the network. */
  readonly words: Uint32Array
  readonly masks: Uint32Array
  /** Too many, since then. */
  count: number
  sinceMs: number
  isTurnedAway: boolean
}

const words = new Uint32Array(4)

export class FloodFilter {
  private readonly libc: Libc
  private readonly fd: number
  private readonly onFlood: (client: string) => void
  private readonly networks: Array<Network> = []
  private timer: NodeJS.Timeout | undefined

  /** @param onFlood told who is turned away from now on, once a flood */
  constructor(libc: Libc, fd: number, onFlood: (client: string) => void) {
    this.libc = libc
    this.fd = fd
    this.onFlood = onFlood
  }

  /** A query of this client's was one too many for its network. */
  note(client: Peer, prefixes: NetworkPrefixes): void {
    const network = this.networkOf(client, prefixes)
    network.count++
    if (network.isTurnedAway || network.count < FLOOD) return
    const nowMs = performance.now()
    if (nowMs - network.sinceMs <= FLOOD_MS) this.turnAway(network, client)
    network.count = 0
    network.sinceMs = nowMs
  }

  /** The socket is about to be closed, or to be read by others. */
  close(): void {
    clearInterval(this.timer)
    this.timer = undefined
    if (this.networks.some(({ isTurnedAway }) => isTurnedAway)) detachProgram(this.libc, this.fd, SO_DETACH_FILTER)
    this.networks.length = 0
  }

  private networkOf(client: Peer, prefixes: NetworkPrefixes): Network {
    const { networks } = this
    const isIPv4 = client.readWords(words)
    for (const network of networks) if (network.isIPv4 === isIPv4 && isIn(network)) return network
    const bits = isIPv4 ? prefixes.ipv4 : prefixes.ipv6
    const masks = Uint32Array.from({ length: 4 }, (_, i) => maskOf(isIPv4 ? (i === 3 ? bits : 0) : bits - i * 32))
    const made = {
      isIPv4,
      words: words.map((word, i) => word & masks[i]!),
      masks,
      count: 0,
      sinceMs: performance.now()
    }
    const network: Network = { ...made, isTurnedAway: false }
    if (networks.length < NETWORKS) networks.push(network)
    else {
      let least = 0
      for (let i = 1; i < NETWORKS; i++) if (weightOf(networks[i]!) < weightOf(networks[least]!)) least = i
      if (!networks[least]!.isTurnedAway) networks[least] = network
    }
    return network
  }

  private turnAway(network: Network, client: Peer): void {
    // A rate for all clients together is no network's flood.
    if (network.masks.every((mask) => mask === 0)) return
    network.isTurnedAway = true
    if (!this.attach()) {
      network.isTurnedAway = false
      return
    }
    this.onFlood(client.address)
    if (this.timer !== undefined) return
    this.timer = setInterval(() => this.look(), LOOK_MS)
    this.timer.unref()
  }

  /** Lets those in again whose flood is over. */
  private look(): void {
    let areSomeOver = false
    for (const network of this.networks) {
      if (!network.isTurnedAway) continue
      network.isTurnedAway = network.count >= GOES_ON
      network.count = 0
      network.sinceMs = performance.now()
      if (!network.isTurnedAway) areSomeOver = true
    }
    if (areSomeOver) this.attach()
  }

  /** @returns whether the kernel does what it is told to */
  private attach(): boolean {
    const turnedAway = this.networks.filter(({ isTurnedAway }) => isTurnedAway)
    if (turnedAway.length > 0) return attachProgram(this.libc, this.fd, SO_ATTACH_FILTER, programFor(turnedAway))
    detachProgram(this.libc, this.fd, SO_DETACH_FILTER)
    clearInterval(this.timer)
    this.timer = undefined
    return true
  }
}

/** What was turned away before by another that read this socket comes again. */
export const letAllIn = (libc: Libc, fd: number): void => detachProgram(libc, fd, SO_DETACH_FILTER)

const weightOf = ({ count, isTurnedAway }: Network): number => (isTurnedAway ? Number.POSITIVE_INFINITY : count)

const isIn = ({ masks, words: those }: Network): boolean => {
  for (let i = 0; i < 4; i++) if (((words[i]! ^ those[i]!) & masks[i]!) >>> 0 !== 0) return false
  return true
}

const maskOf = (bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? EVERY_BIT : (EVERY_BIT << (32 - bits)) >>> 0)

/** Drops what comes from one of these networks, but for a sample. */
const programFor = (networks: ReadonlyArray<Network>): ReadonlyArray<Instruction> => {
  const blocks = networks.map(comparisonsOf)
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

/** Goes on behind it where the source is of the network, and past one instruction more where it is not. */
const comparisonsOf = ({ isIPv4, masks, words: those }: Network): ReadonlyArray<Instruction> => {
  const block: Array<readonly [code: number, value: number]> = []
  for (let i = 0; i < 4; i++) {
    const mask = masks[i]!
    if (mask === 0) continue
    block.push([Bpf.LoadWord, isIPv4 ? IPV4_SOURCE : IPV6_SOURCE + i * 4])
    if (mask !== EVERY_BIT) block.push([Bpf.And, mask])
    block.push([Bpf.JumpIfEqual, those[i]!])
  }
  return block.map(([code, value], at) => [code, 0, code === Bpf.JumpIfEqual ? block.length - at : 0, value])
}
