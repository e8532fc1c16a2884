/** A server as a process, with its admin side, and how it is asked. */
import { Effect } from "effect"
import { type StartOptions, startListening } from "./process.ts"

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of what is no JSON, undefined. */
  readonly json: unknown
}

export interface AdminOptions {
  readonly method?: string
  readonly body?: unknown
  /** In the place of `body`: its text. */
  readonly raw?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The server once its admin side listens. */
export const startWithAdmin = (
  environment: Record<string, string>,
  args: ReadonlyArray<string> = [],
  options: StartOptions = {}
) =>
  Effect.gen(function* () {
    const server = yield* startListening({ DNS_SERVER_ADMIN: "127.0.0.1:0", ...environment }, args, options)
    let url = ""
    while (url === "") {
      url = /metrics are at (https?:\/\/[^/"]+)/.exec(server.output())?.[1] ?? ""
      if (url === "") yield* Effect.sleep(20)
    }
    /** Asks for a path; what comes back, whatever its status. Where the server says that it is too busy, once more. */
    const admin = (path: string, options: AdminOptions = {}): Effect.Effect<Reply> =>
      Effect.gen(function* () {
        for (;;) {
          const reply = yield* adminOnce(path, options)
          if (!(reply.status === 503 && reply.text.includes("too much is asked"))) return reply
          yield* Effect.sleep(200)
        }
      })
    const adminOnce = (path: string, { method = "GET", body, raw, headers = {} }: AdminOptions): Effect.Effect<Reply> =>
      Effect.promise(async () => {
        const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body))
        const json = sent === undefined ? {} : { "content-type": "application/json" }
        const response = await fetch(url + path, {
          method,
          headers: { ...json, ...headers },
          ...(sent === undefined ? {} : { body: sent })
        })
        const text = await response.text()
        const isJson = response.headers.get("content-type")?.includes("json") === true
        return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined }
      })
    return { ...server, url, admin }
  })

/** Asks until it is so; a test's own time limit ends it. */
export const untilAdmin = (admin: Effect.Effect<Reply>, isSo: (reply: Reply) => boolean): Effect.Effect<Reply> =>
  Effect.gen(function* () {
    for (;;) {
      const reply = yield* admin
      if (isSo(reply)) return reply
      yield* Effect.sleep(50)
    }
  })
