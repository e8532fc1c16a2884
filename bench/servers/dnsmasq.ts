/** dnsmasq: one thread. It forks for every TCP connection, so that its CPU time there cannot be read. */
import type { Server } from "./server.ts"

export const dnsmasq: Server = {
  name: "dnsmasq",
  needs: { program: "dnsmasq", debianPackage: "dnsmasq-base" },
  role: "peer",
  hasMeasurableTcp: false,
  hasThreads: false,
  isEncrypted: false,
  files: () => ({}),
  command: ({ port, upstreamPort, cachedNames, waiting }, program) => ({
    program,
    args: [
      ...["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="],
      ...[`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces"],
      ...["--no-resolv", "--no-hosts", `--server=127.0.0.1#${upstreamPort}`],
      ...[`--cache-size=${cachedNames}`, `--dns-forward-max=${waiting}`]
    ]
  })
}
