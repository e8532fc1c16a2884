/** HTTP as the admin side speaks it: by Node's own server, with limits on everything, in front of an Effect application. */
import * as http from "node:http"
import * as https from "node:https"
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"
import type { PemFile } from "../config/pem-files.ts"
import { messageOf } from "../runtime/error-text.ts"
import { AdminUnavailable } from "./admin-socket.ts"
import type { Busyness } from "./busy.ts"
import { type GuardSettings, isAlwaysAnswered, refusalOf } from "./guard.ts"
import { RateLimit, REFUSAL_MS } from "./rate-limit.ts"
import { WaitingLine } from "./waiting-line.ts"

const limits: http.ServerOptions = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 1_000
}
const MAX_REQUESTS_PER_CONNECTION = 10_000
/** Sent on one connection before the first of them is answered: browsers and tools wait for each answer. */
const MAX_UNANSWERED = 16

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

/** Sent with every reply: nobody frames it, sniffs it, keeps it, or is told where a link was followed. */
const headers: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

/** A server that speaks HTTP, or HTTPS where files are named, on connections that it is given. */
export const speaking = (
  files: { readonly certificate: PemFile | undefined; readonly key: PemFile | undefined },
  guarded: Handler
): Effect.Effect<http.Server, AdminUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const server =
          files.certificate === undefined || files.key === undefined
            ? http.createServer(limits)
            : https.createServer({ ...limits, cert: files.certificate.pem, key: files.key.pem })
        server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION
        server.on("request", guarded)
        server.on("clientError", (_, socket) => socket.destroy())
        server.on("tlsClientError", (_, socket) => socket.destroy())
        // It listens nowhere itself; Node begins to watch the time limits of connections with this event.
        server.emit("listening")
        return server
      },
      catch: (cause) =>
        new AdminUnavailable({ message: `admin_tls_certificate_file, admin_tls_key_file: ${messageOf(cause)}` })
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

/** Lets through what may go on, and answers the rest itself. */
export const guard = (
  settings: () => GuardSettings,
  busyness: Pick<Busyness, "ask" | "isBusy">,
  next: Handler
): Handler => {
  const rates = new RateLimit()
  const line = new WaitingLine()
  const connections = new WeakMap<Socket, Connection>()
  return (request, response) => {
    const { socket } = request
    const connection = connections.get(socket) ?? new Connection(socket)
    connections.set(socket, connection)
    if (connection.unanswered >= MAX_UNANSWERED) socket.destroy()
    if (socket.destroyed) return
    connection.unanswered++
    response.on("close", () => connection.unanswered--)
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    response.setHeader("cache-control", "no-store")
    const client = socket.remoteAddress ?? ""
    const path = (request.url ?? "/").split("?", 1)[0]!
    const method = request.method ?? "GET"
    const isProbe = path === "/healthz" || path === "/readyz"
    const mayAsk = (): boolean => isProbe || rates.takes(client)
    /** Now, or when it may; one that finds no place in the line is told that too much is asked. */
    const whenItMay = (mayGoOn: () => boolean, goOn: () => void, status: number, message: string): void => {
      const giveUp = (): void => refuseLater(connection, request, response, status, message)
      if (mayGoOn()) goOn()
      else if (!line.join({ response, mayGoOn, goOn, giveUp })) giveUp()
    }
    const read = (): void => {
      const refusal = refusalOf({ method, path, headers: request.headers }, settings())
      if (refusal !== undefined) {
        if (refusal.status === 401) {
          response.setHeader("www-authenticate", 'Bearer realm="strand", Basic realm="strand"')
          if (request.headers.authorization !== undefined) rates.wrong(client)
        }
        refuse(request, response, refusal.status, refusal.message)
        return
      }
      const answer = (): void => next(request, response)
      if (isAlwaysAnswered({ method, path })) {
        answer()
        return
      }
      busyness.ask()
      whenItMay(() => !busyness.isBusy, answer, 503, "too much is asked of the admin side just now")
    }
    if (!isProbe && rates.isGuessing(client)) refuseLater(connection, request, response, 429, "too many wrong tokens")
    else whenItMay(mayAsk, read, 429, "too many requests")
  }
}

/**
 * To refuse costs something too: who asks at once again waits for the refusal meanwhile, on one of few connections, so that
 * nobody has this thread busy with refusing.
 */
const refuseLater = (
  connection: Connection,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  status: number,
  message: string
): void => {
  response.setHeader("retry-after", "1")
  connection.later(() => {
    if (!response.destroyed) refuse(request, response, status, message)
  }, REFUSAL_MS)
}

/** What is kept of a connection, until it closes: nothing of a request outlives that. */
class Connection {
  /** Requests on it that wait for their answers. */
  unanswered = 0
  private readonly timers = new Set<NodeJS.Timeout>()

  constructor(socket: Socket) {
    socket.once("close", () => {
      for (const timer of this.timers) clearTimeout(timer)
      this.timers.clear()
    })
  }

  later(what: () => void, ms: number): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      what()
    }, ms)
    this.timers.add(timer)
  }
}

/** Nothing more is read of a request that is refused: what it still sends is not wanted. */
const refuse = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  status: number,
  message: string
): void => {
  const body = `${JSON.stringify({ message })}\n`
  const hasBody = request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined
  if (hasBody) response.setHeader("connection", "close")
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
  response.end(body, () => {
    if (hasBody) request.socket.destroySoon()
  })
}
