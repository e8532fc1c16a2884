/** Real servers that speak DNS over TLS and over HTTPS, each in front of an authority. */
import { execFileSync } from "node:child_process"
import { Effect, type Scope } from "effect"
import { freePort } from "../machine/ports.ts"
import type { Certificate } from "../wire/certificates.ts"
import { awaitAnswers, runProgram } from "./programs.ts"
import { findTool } from "./tools.ts"

export interface EncryptedServer {
  readonly plain: number
  readonly tls: number
  readonly https: number
}

interface Ports extends EncryptedServer {
  readonly authority: number
}

interface Kind {
  readonly command: string | undefined
  readonly args: ReadonlyArray<string>
  readonly file: string
  readonly configure: (ports: Ports) => string
}

export const servers: Readonly<Record<"dnsdist" | "Unbound" | "Knot Resolver", Kind>> = {
  dnsdist: {
    command: findTool("dnsdist"),
    args: ["-C", "{directory}/server.conf", "--supervised", "--disable-syslog"],
    file: "server.conf",
    configure: ({ plain, tls, https, authority }) => `
      setSecurityPollSuffix("")
      setLocal("127.0.0.1:${plain}")
      addTLSLocal("127.0.0.1:${tls}", "{directory}/cert.pem", "{directory}/key.pem", {maxInFlight=100})
      addDOHLocal("127.0.0.1:${https}", "{directory}/cert.pem", "{directory}/key.pem", "/dns-query")
      newServer({address="127.0.0.1:${authority}", healthCheckMode="up"})
    `
  },
  Unbound: {
    command: findTool("unbound"),
    args: ["-d", "-c", "{directory}/server.conf"],
    file: "server.conf",
    configure: ({ plain, tls, https, authority }) => `server:
  interface: 127.0.0.1@${plain}
  interface: 127.0.0.1@${tls}
  interface: 127.0.0.1@${https}
  tls-port: ${tls}
  https-port: ${https}
  tls-service-key: "{directory}/key.pem"
  tls-service-pem: "{directory}/cert.pem"
  do-daemonize: no
  use-syslog: no
  logfile: ""
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  num-threads: 1
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${authority}
remote-control:
  control-enable: no
`
  },
  "Knot Resolver": {
    command: findTool("kresd"),
    args: ["-n", "-c", "{directory}/server.conf", "{directory}"],
    file: "server.conf",
    configure: ({ plain, tls, https, authority }) => `
      net.listen('127.0.0.1', ${plain}, { kind = 'dns' })
      net.listen('127.0.0.1', ${tls}, { kind = 'tls' })
      net.listen('127.0.0.1', ${https}, { kind = 'doh2' })
      net.tls('{directory}/cert.pem', '{directory}/key.pem')
      trust_anchors.remove('.')
      policy.add(policy.all(policy.STUB('127.0.0.1@${authority}')))
    `
  }
}

/** Starts it on free ports until the scope closes. */
export const startEncrypted = (
  kind: Kind,
  certificate: Certificate,
  authority: number
): Effect.Effect<EncryptedServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const ports = { plain: yield* freePort, tls: yield* freePort, https: yield* freePort, authority }
    yield* runProgram({
      command: kind.command!,
      args: kind.args,
      files: { [kind.file]: kind.configure(ports), "cert.pem": certificate.cert, "key.pem": certificate.key }
    })
    yield* awaitAnswers(ports.plain, "example.test")
    return ports
  })

/** Whether this build of Unbound speaks DNS over HTTPS. */
export const unboundHasHttps = (): boolean => {
  const { command } = servers.Unbound
  return command !== undefined && execFileSync(command, ["-V"], { encoding: "utf8" }).includes("--with-libnghttp2")
}
