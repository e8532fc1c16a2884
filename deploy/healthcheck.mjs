/**
 * Whether a DNS server answers: `node healthcheck.mjs 127.0.0.1:1053` asks by UDP for the addresses of localhost, which no
 * upstream is needed for. Ends with 0 when anything is answered in time, a refusal included, else with 1.
 */
import { createSocket } from "node:dgram"
import { isIPv6 } from "node:net"

const WITHIN_MS = 2_000

const [, address = "127.0.0.1", port = "53"] = /^\[?(.*?)\]?:(\d+)$/.exec(process.argv[2] ?? "") ?? []

/** ID 0x5374, recursion desired, one question: localhost A IN. */
const question = Buffer.from(`53740100000100000000000009${Buffer.from("localhost").toString("hex")}0000010001`, "hex")

const socket = createSocket(isIPv6(address) ? "udp6" : "udp4")

const end = (code, why) => {
  if (why !== undefined) console.error(`${address}:${port}: ${why}`)
  process.exit(code)
}

socket.on("error", ({ message }) => end(1, message))
socket.on("message", (answer) => {
  if (answer.length >= 12 && answer.readUInt16BE(0) === 0x5374) end(0)
})
setTimeout(() => end(1, "no answer"), WITHIN_MS)
// Connected, so that a port at which nobody listens is told at once.
socket.connect(Number(port), address, () => socket.send(question))
