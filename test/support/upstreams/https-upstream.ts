/** An upstream over HTTPS that does with each request, and each session, what a test wants. */
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings
} from "node:http2"
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"
import type { Certificate } from "../wire/certificates.ts"
import { mirrorReply } from "./mirror.ts"
import { listening, stop } from "./stream-upstream.ts"

export interface HttpsRequest {
  readonly headers: IncomingHttpHeaders
  /** The DNS message, from the body or the path. */
  readonly query: Buffer
  readonly stream: ServerHttp2Stream
  /** From 1, in the order in which they came. */
  readonly session: number
}

export interface HttpsUpstream {
  readonly port: number
  readonly sessions: ReadonlyArray<ServerHttp2Session>
  /** Those that are open, under TLS. */
  readonly sockets: () => ReadonlyArray<Socket>
  readonly requests: ReadonlyArray<HttpsRequest>
}

export type OnRequest = (request: HttpsRequest) => void

/** Answers as RFC 8484 §4.2 wants it, with these headers besides. */
export const answerHttps = (
  { query, stream }: HttpsRequest,
  headers: Record<string, string | number> = {},
  body = mirrorReply(query)
): void => {
  if (stream.destroyed) return
  stream.respond({ ":status": 200, "content-type": "application/dns-message", ...headers })
  stream.end(body)
}

interface HttpsUpstreamOptions {
  readonly certificate: Certificate
  readonly onRequest?: OnRequest
  readonly settings?: Settings
}

/** Starts it on a loopback port until the scope closes. */
export const httpsUpstream = (options: HttpsUpstreamOptions): Effect.Effect<HttpsUpstream, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const { certificate, onRequest = answerHttps, settings = {} } = options
      const sessions: Array<ServerHttp2Session> = []
      const requests: Array<HttpsRequest> = []
      const sockets = new Set<Socket>()
      const server = createSecureServer({ cert: certificate.cert, key: certificate.key, settings })
      server.on("session", (session) => {
        sessions.push(session)
        session.on("error", () => {})
      })
      server.on("tlsClientError", () => {})
      server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
        const chunks: Array<Buffer> = []
        stream.on("error", () => {})
        stream.on("data", (chunk: Buffer) => chunks.push(chunk))
        stream.on("end", () => {
          const inPath = /[?&]dns=([\w-]+)/.exec(headers[":path"] ?? "")?.[1]
          const query = inPath === undefined ? Buffer.concat(chunks) : Buffer.from(inPath, "base64url")
          const session = sessions.indexOf(stream.session as ServerHttp2Session) + 1
          const request = { headers, query, stream, session }
          requests.push(request)
          onRequest(request)
        })
      })
      const port = await listening(server, sockets)
      return { upstream: { port, sessions, sockets: () => [...sockets], requests }, server, sockets }
    }),
    ({ server, sockets }) => Effect.sync(() => stop(server, sockets))
  ).pipe(Effect.map(({ upstream }) => upstream))
