/** Unbound: as a plain forwarder, without validation. */
import type { Server } from "./server.ts"

export const unbound: Server = {
  name: "unbound",
  needs: { program: "unbound", debianPackage: "unbound" },
  role: "peer",
  hasMeasurableTcp: true,
  hasThreads: true,
  isEncrypted: true,
  files: ({ port, directory, upstreamPort, cachedNames, waiting, upstreamTimeoutMs, threads, ...encrypted }) => ({
    "unbound.conf": `server:
  interface: 127.0.0.1@${port}
  interface: 127.0.0.1@${encrypted.tlsPort}
  interface: 127.0.0.1@${encrypted.httpsPort}
  tls-port: ${encrypted.tlsPort}
  https-port: ${encrypted.httpsPort}
  tls-service-pem: "${encrypted.certificateFile}"
  tls-service-key: "${encrypted.keyFile}"
  do-daemonize: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: ""
  num-threads: ${threads}
  incoming-num-tcp: 1000
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  outgoing-range: ${waiting}
  num-queries-per-thread: ${waiting}
  jostle-timeout: ${upstreamTimeoutMs}
  wait-limit: ${waiting}
  discard-timeout: ${upstreamTimeoutMs}
  unknown-server-time-limit: ${upstreamTimeoutMs}
  so-rcvbuf: 4m
  so-sndbuf: 4m
  so-reuseport: yes
  local-zone: "test." nodefault
  msg-cache-size: ${cachedNames * 512}
  rrset-cache-size: ${cachedNames * 1024}
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${upstreamPort}
remote-control:
  control-enable: no
`
  }),
  command: (_, program) => ({ program, args: ["-c", "unbound.conf"] })
}
