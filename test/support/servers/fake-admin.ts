/** An admin side that answers what a test wants, by HTTP, and remembers what it was asked. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http"
import { createServer as createSecureServer } from "node:https"
import { Effect, type Scope } from "effect"
import type { Certificate } from "../wire/certificates.ts"

export interface AdminRequest {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

export interface AdminAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/** By method and path: `GET /api/v1/status`. */
export type Routes = Readonly<Record<string, AdminAnswer | ((request: AdminRequest) => AdminAnswer)>>

export interface FakeAdmin {
  readonly url: string
  readonly requests: ReadonlyArray<AdminRequest>
}

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  return text === "" ? undefined : JSON.parse(text)
}

/** Starts it on a loopback port until the scope closes. */
export const fakeAdmin = (routes: Routes, certificate?: Certificate): Effect.Effect<FakeAdmin, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const requests: Array<AdminRequest> = []
      const onRequest: Parameters<typeof createServer>[1] = async (incoming, response) => {
        const { pathname, searchParams } = new URL(incoming.url ?? "/", "http://localhost")
        const request: AdminRequest = {
          method: incoming.method ?? "",
          path: decodeURIComponent(pathname),
          query: Object.fromEntries(searchParams),
          headers: incoming.headers,
          body: await bodyOf(incoming)
        }
        requests.push(request)
        const route = routes[`${request.method} ${request.path}`] ?? { status: 404, body: { message: "no such path" } }
        const { status = 200, headers = {}, body } = typeof route === "function" ? route(request) : route
        response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))
      }
      const server = certificate === undefined ? createServer(onRequest) : createSecureServer(certificate, onRequest)
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as { readonly port: number }
      return { server, url: `${certificate === undefined ? "http" : "https"}://127.0.0.1:${port}`, requests }
    }),
    ({ server }) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
      )
  )
