/** Ports that are free to listen at. */
import { randomInt } from "node:crypto"
import { createSocket } from "node:dgram"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { Effect } from "effect"

const LOWEST = 10_240

/** Where the ports begin that the kernel gives to whoever connects, or listens at port 0: one of these may be gone at once. */
const firstOfKernel = (): number => {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0])
  } catch {
    return 32_768
  }
}

const END = Math.max(LOWEST + 10_000, firstOfKernel())

/** Files that run at the same time have ports of their own. */
const POOLS = 8
const POOL_SIZE = Math.floor((END - LOWEST) / POOLS)
const FIRST = LOWEST + (Number(process.env["VITEST_POOL_ID"] ?? randomInt(POOLS)) % POOLS) * POOL_SIZE

/** One after the other: what an earlier test's server still sends somewhere does not come to a later one. */
let last = randomInt(POOL_SIZE)

/** A port at which nobody listens now at any IPv4 address, neither by UDP nor by TCP, and that the kernel gives nobody. */
export const freePort = Effect.promise(async () => {
  for (;;) {
    last = (last + 1) % POOL_SIZE
    const port = FIRST + last
    const server = createServer()
    const socket = createSocket("udp4")
    const isFree = await Promise.all([
      new Promise<boolean>((resolve) => {
        server.once("error", () => resolve(false))
        server.listen(port, "0.0.0.0", () => resolve(true))
      }),
      new Promise<boolean>((resolve) => {
        socket.once("error", () => resolve(false))
        socket.bind(port, "0.0.0.0", () => resolve(true))
      })
    ])
    socket.close()
    await new Promise((resolve) => server.close(resolve))
    if (isFree.every(Boolean)) return port
  }
})
