/** Calls of the admin API. A failure is a value, with what the server said. */
import { makeStore } from "./store.ts"

export type Reply<A> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly status: number; readonly message: string; readonly body: unknown }

/** `busy`: the server answers names first, and the page waits. */
export type Connection = "connecting" | "live" | "busy" | "lost"

export type Access = "not known" | "open" | "token wanted" | "token wrong"

const TOKEN_KEY = "strand-token"
const TIMEOUT_MS = 10_000

export const connection = makeStore<Connection>("connecting")
export const access = makeStore<Access>("not known")
export const token = makeStore<string | undefined>(sessionStorage.getItem(TOKEN_KEY) ?? undefined)

/** Whether the API answers with the token that there is: asked once, for a client that shows many wrong ones is not heard. */
export const tryAccess = async (): Promise<void> => {
  const response = await request("GET", "/api/v1/status", { signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (response?.ok === true) access.set("open")
}

/** Keeps it where it is right. */
export const tryToken = async (text: string): Promise<void> => {
  token.set(text)
  await tryAccess()
  if (access.get() === "open") sessionStorage.setItem(TOKEN_KEY, text)
}

export const forgetToken = (): void => {
  sessionStorage.removeItem(TOKEN_KEY)
  token.set(undefined)
  access.set("token wanted")
}

export type Parameters = Readonly<Record<string, string | number | boolean | undefined>>

export interface Call {
  readonly query?: Parameters
  readonly body?: unknown
  /** The change holds for this generation only. */
  readonly generation?: number | undefined
  readonly signal?: AbortSignal
}

export const pathWith = (path: string, query: Parameters = {}): string => {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, String(value)]]
  )
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}

/** A request with the token. Where it is refused, the page asks for another. */
export const request = async (method: string, path: string, options: Call = {}): Promise<Response | undefined> => {
  const { body, generation, signal } = options
  const sent = token.get()
  const headers: Record<string, string> = {}
  if (sent !== undefined) headers["authorization"] = `Bearer ${sent}`
  if (body !== undefined) headers["content-type"] = "application/json"
  if (generation !== undefined) headers["if-match"] = `"${generation}"`
  try {
    const response = await fetch(pathWith(path, options.query), {
      method,
      headers,
      // The browser's own dialog for passwords stays away.
      credentials: "omit",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal })
    })
    if (response.status === 401 && sent === token.get()) access.set(sent === undefined ? "token wanted" : "token wrong")
    const isBusy = response.status === 429 || (response.status === 503 && response.headers.has("retry-after"))
    connection.set(isBusy ? "busy" : "live")
    return response
  } catch (error) {
    // What the page itself gave up says nothing; a time-out is a `TimeoutError`.
    if (!(error instanceof DOMException && error.name === "AbortError")) connection.set("lost")
    return undefined
  }
}

export const call = async <A>(method: string, path: string, options: Call = {}): Promise<Reply<A>> => {
  const response = await request(method, path, { signal: AbortSignal.timeout(TIMEOUT_MS), ...options })
  if (response === undefined) return { ok: false, status: 0, message: "the server does not answer", body: undefined }
  try {
    const body: unknown = await response.json()
    if (response.ok) return { ok: true, value: body as A }
    return { ok: false, status: response.status, message: messageOf(body, response.status), body }
  } catch {
    return {
      ok: false,
      status: response.status,
      message: `the server said ${response.status} and nothing more`,
      body: undefined
    }
  }
}

export const get = <A>(path: string, query: Parameters = {}): Promise<Reply<A>> => call<A>("GET", path, { query })

const messageOf = (body: unknown, status: number): string => {
  if (typeof body === "object" && body !== null) {
    if ("message" in body && typeof body.message === "string" && body.message !== "") return body.message
    if ("_tag" in body && typeof body._tag === "string") return `${body._tag} (${status})`
  }
  return `the server said ${status}`
}
