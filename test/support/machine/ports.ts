/** Ports that are free to listen at. */
import { createSocket } from "node:dgram"
import { type AddressInfo, createServer } from "node:net"
import { Effect } from "effect"

/** A port at which nobody listens now at any IPv4 address, neither by UDP nor by TCP. */
export const freePort = Effect.promise(async () => {
  for (;;) {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve))
    const { port } = server.address() as AddressInfo
    const socket = createSocket("udp4")
    const isFree = await new Promise<boolean>((resolve) => {
      socket.once("error", () => resolve(false))
      socket.bind(port, "0.0.0.0", () => resolve(true))
    })
    socket.close()
    await new Promise((resolve) => server.close(resolve))
    if (isFree) return port
  }
})
