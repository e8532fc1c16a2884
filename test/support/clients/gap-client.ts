/**
 * A thread that asks an echo server so many times, after a gap of random length each time: a datagram comes at every
 * moment of the server's turns. Says how many answers came; nothing is sent twice, so that none may be lost.
 */
import { createSocket } from "node:dgram"
import { parentPort, workerData } from "node:worker_threads"

export interface GapClientData {
  readonly port: number
  readonly count: number
  readonly sockets: number
  readonly seed: number
}

const { port, count, sockets, seed }: GapClientData = workerData
const LONGEST_GAP_MS = 0.2

let state = seed
const random = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 0x1_0000_0000
}

const cell = new Int32Array(new SharedArrayBuffer(4))
let sent = 0
let answered = 0

for (let i = 0; i < sockets; i++) {
  const socket = createSocket("udp4")
  const ask = (): void => {
    if (sent === count) {
      socket.close()
      return
    }
    sent++
    // Asleep or awake: in most gaps the server falls asleep, in some it is about to.
    const kind = random()
    if (kind < 0.5) Atomics.wait(cell, 0, 0, random() * LONGEST_GAP_MS)
    socket.send("?", port, "127.0.0.1")
  }
  socket.on("message", (_, from) => {
    if (from.port !== port) return
    if (++answered === count) parentPort!.postMessage(answered)
    ask()
  })
  ask()
}
