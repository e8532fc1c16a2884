/** Unbound as a plain forwarder: what a user would have in Strand's place. */
import { Effect, type Scope } from "effect"
import { freePort } from "../machine/ports.ts"
import { awaitAnswers, runProgram } from "./programs.ts"
import { findTool } from "./tools.ts"

export const unbound = findTool("unbound")

/** No validation and no zones of its own, UDP sizes as Strand's (DNS flag day 2020); all else as shipped. */
const configuration = (port: number, upstream: number): string => `server:
  interface: 127.0.0.1@${port}
  do-daemonize: no
  use-syslog: no
  logfile: ""
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  num-threads: 1
  incoming-num-tcp: 100
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  outgoing-range: 4096
  num-queries-per-thread: 4096
  so-rcvbuf: 4m
  so-sndbuf: 4m
  max-udp-size: 1232
  edns-buffer-size: 1232
  unblock-lan-zones: yes
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${upstream}
remote-control:
  control-enable: no
`

/** Starts it on a free port in front of the server at `upstream`; gives its port. */
export const startUnbound = (upstream: number): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function* () {
    const port = yield* freePort
    yield* runProgram({
      command: unbound!,
      args: ["-d", "-c", "{directory}/unbound.conf"],
      files: { "unbound.conf": configuration(port, upstream) }
    })
    yield* awaitAnswers(port, "version.bind")
    return port
  })
