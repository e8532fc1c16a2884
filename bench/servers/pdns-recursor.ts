/** PowerDNS Recursor: everything forwarded. It keeps each name twice, as a record and as a packet. */
import type { Server } from "./server.ts"

export const pdnsRecursor: Server = {
  name: "pdns-recursor",
  needs: { program: "pdns_recursor", debianPackage: "pdns-recursor" },
  role: "peer",
  hasMeasurableTcp: true,
  hasThreads: true,
  isEncrypted: false,
  files: ({ port, directory, upstreamPort, cachedNames, waiting, upstreamTimeoutMs, threads }) => ({
    "recursor.conf": `local-address=127.0.0.1:${port}
forward-zones-recurse=.=127.0.0.1:${upstreamPort}
dont-query=
threads=${threads}
reuseport=${threads > 1 ? "yes" : "no"}
pdns-distributes-queries=no
max-mthreads=${waiting}
network-timeout=${upstreamTimeoutMs}
max-cache-entries=${cachedNames}
max-packetcache-entries=${cachedNames}
socket-dir=${directory}
daemon=no
security-poll-suffix=
dnssec=off
config-dir=${directory}
quiet=yes
`
  }),
  command: ({ directory }, program) => ({ program, args: [`--config-dir=${directory}`] })
}
