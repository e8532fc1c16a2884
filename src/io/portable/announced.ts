/** A connection of a proxy, until it has said who is behind it. */
import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import type { Peer } from "../peer.ts"
import { INCOMPLETE, MAX_PROXY_HEADER, PROXY_HEADER_MS, readProxyHeader, WRONG } from "../proxy-header.ts"

/** @param begin gets who is behind the proxy, undefined where it speaks for itself, and what came behind the header */
export const readAnnounced = (socket: Socket, begin: (peer: Peer | undefined, rest: Buffer) => void): void => {
  let came = Buffer.alloc(0)
  const timer = setTimeout(() => socket.destroy(), PROXY_HEADER_MS)
  const onData = (chunk: Buffer): void => {
    came = Buffer.concat([came, chunk])
    const header = readProxyHeader(came)
    if (header === INCOMPLETE && came.length < MAX_PROXY_HEADER) return
    clearTimeout(timer)
    socket.off("data", onData)
    if (header === WRONG || header === INCOMPLETE) {
      socket.destroy()
      return
    }
    socket.pause()
    begin(header.peer, came.subarray(header.length))
  }
  socket.on("data", onData)
  socket.once("close", () => clearTimeout(timer))
}

/** The connection from behind its header on: what was read with it comes first. */
export const behindHeader = (socket: Socket, rest: Buffer): Duplex => {
  const behind = new Duplex({
    allowHalfOpen: true,
    read: () => socket.resume(),
    write: (chunk, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    }
  })
  if (rest.length > 0) behind.push(rest)
  socket.on("data", (chunk: Buffer) => {
    if (!behind.push(chunk)) socket.pause()
  })
  socket.on("end", () => behind.push(null))
  socket.on("close", () => behind.destroy())
  return behind
}
