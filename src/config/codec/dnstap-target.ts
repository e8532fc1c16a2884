/** Where dnstap goes: `unix:/run/dnstap.sock`, `tcp:192.0.2.1:6000`, `file:/var/log/strand/queries.dnstap`. */
import { Result } from "effect"
import { type Endpoint, formatEndpoint, isWildcard } from "../../io/endpoint.ts"
import { readEndpoint } from "./endpoint.ts"
import type { Read, TextForm } from "./text-form.ts"

export type DnstapTarget =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly endpoint: Endpoint }
  | { readonly kind: "file"; readonly path: string }

/** The port that dnstap's own tools have in their examples. */
const DNSTAP_PORT = 6000

const EXPECTED = "unix:/path, tcp:address:port or file:/path"

const readTarget = (text: string): Read<DnstapTarget> => {
  const [, scheme, rest] = /^(unix|tcp|file):(.+)$/i.exec(text) ?? []
  if (rest === undefined) return Result.fail(EXPECTED)
  const kind = scheme!.toLowerCase()
  if (kind !== "tcp") {
    const isPath = rest.startsWith("/") && !rest.startsWith("//") && !rest.endsWith("/")
    return isPath ? Result.succeed({ kind: kind as "unix" | "file", path: rest }) : Result.fail(EXPECTED)
  }
  return Result.flatMap(readEndpoint(rest, DNSTAP_PORT), (endpoint) =>
    isWildcard(endpoint) || endpoint.port === 0
      ? Result.fail("the address and port of a reader")
      : Result.succeed({ kind: "tcp", endpoint })
  )
}

const writeTarget = (target: DnstapTarget): string =>
  target.kind === "tcp" ? `tcp:${formatEndpoint(target.endpoint)}` : `${target.kind}:${target.path}`

export const dnstapTarget: TextForm<DnstapTarget> = { read: readTarget, write: writeTarget }
