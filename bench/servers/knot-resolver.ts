/** Knot Resolver: a stub in front of the upstream, without validation. Its cache is a file mapped into memory. */
import type { Server } from "./server.ts"

export const knotResolver: Server = {
  name: "knot-resolver",
  needs: { program: "kresd", debianPackage: "knot-resolver" },
  role: "peer",
  hasMeasurableTcp: true,
  hasThreads: false,
  isEncrypted: false,
  files: ({ port, directory, upstreamPort, cachedNames }) => ({
    "kresd.conf": `net.listen('127.0.0.1', ${port}, { kind = 'dns' })
trust_anchors.remove('.')
cache.open(${Math.max(100 * 2 ** 20, cachedNames * 512)}, 'lmdb://${directory}/cache')
policy.add(policy.all(policy.STUB({'127.0.0.1@${upstreamPort}'})))
`
  }),
  command: ({ directory }, program) => ({ program, args: ["-n", "-c", "kresd.conf", directory] })
}
