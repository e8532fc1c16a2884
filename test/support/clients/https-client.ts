/** A client of DNS over HTTPS by HTTP/2, whoever the server is. */
import { type ClientHttp2Session, connect } from "node:http2"
import { Effect, type Scope } from "effect"

export const DNS_MESSAGE = "application/dns-message"

export interface HttpsReply {
  /** 0 where the stream ended without one. */
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

/**
 * @param servername the name that the server is asked for by
 * @returns a session that is open, or closed where the server refused it
 */
export const openHttps = (
  port: number,
  servername = "localhost"
): Effect.Effect<ClientHttp2Session, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ClientHttp2Session>((resume) => {
      const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername })
      const open = (): void => resume(Effect.succeed(session))
      session.on("error", open)
      session.on("close", open)
      session.on("connect", open)
    }),
    (session) => Effect.sync(() => session.destroy())
  )

/** Asks at `/dns-query`, unless the headers say otherwise. */
export const request = (
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: Uint8Array
): Effect.Effect<HttpsReply> =>
  Effect.callback((resume) => {
    const stream = session.request({ ":path": "/dns-query", ...headers }, { endStream: body === undefined })
    const chunks: Array<Buffer> = []
    let answered: Record<string, unknown> = {}
    stream.on("response", (got) => {
      answered = got
    })
    stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    stream.on("error", () => {})
    stream.on("close", () => {
      const status = Number(answered[":status"] ?? 0)
      resume(Effect.succeed({ status, headers: answered, body: Buffer.concat(chunks) }))
    })
    if (body !== undefined) stream.end(body)
  })
