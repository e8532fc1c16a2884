/** dnsdist: a load balancer with a packet cache. Tuned: it takes 64 datagrams a system call, not one as shipped. */
import type { Server } from "./server.ts"

export const dnsdist: Server = {
  name: "dnsdist",
  needs: { program: "dnsdist", debianPackage: "dnsdist" },
  role: "peer",
  hasMeasurableTcp: true,
  hasThreads: true,
  isEncrypted: true,
  files: ({ port, upstreamPort, cachedNames, upstreamTimeoutMs, threads, ...encrypted }) => ({
    "dnsdist.conf": `setUDPMultipleMessagesVectorSize(64)
setLocal("127.0.0.1:${port}", {reusePort=${threads > 1}})
${`addLocal("127.0.0.1:${port}", {reusePort=true})\n`.repeat(threads - 1)}setUDPTimeout(${Math.ceil(upstreamTimeoutMs / 1000)})
addTLSLocal("127.0.0.1:${encrypted.tlsPort}", "${encrypted.certificateFile}", "${encrypted.keyFile}")
addDOHLocal("127.0.0.1:${encrypted.httpsPort}", "${encrypted.certificateFile}", "${encrypted.keyFile}", "/dns-query")
newServer({address="127.0.0.1:${upstreamPort}", sockets=4}):setUp()
cache = newPacketCache(${cachedNames}, {maxTTL=86400, minTTL=0, temporaryFailureTTL=60, staleTTL=60, dontAge=false})
getPool(""):setCache(cache)
`
  }),
  command: (_, program) => ({ program, args: ["--supervised", "-C", "dnsdist.conf"] })
}
