/**
 * Follows the queries as they come, by server-sent events, while somebody looks at the page. They are read by `fetch`: an
 * `EventSource` cannot send the token.
 */
import { type Parameters, request } from "./api.ts"
import type { QueryShape } from "./shapes.ts"

const AGAIN_MS = 1_000
/** A comment comes every 15 seconds: where nothing does, the connection is dead. */
const SILENT_MS = 40_000

export interface Follower {
  readonly onQueries: (queries: ReadonlyArray<QueryShape>) => void
  /** So many queries were not sent, for there were too many. */
  readonly onDropped: (count: number) => void
  /** Whether queries come now, and what the server said where it will not send them. */
  readonly onState: (isFollowing: boolean, mistake?: string) => void
}

/** @returns what ends it */
export const followQueries = (filters: Parameters, follower: Follower): (() => void) => {
  const stopping = new AbortController()
  const begin = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await untilShown(stopping.signal)
      const over = new AbortController()
      const hidden = whenHidden(over.signal)
      const mayGoOn = await followOnce(filters, follower, AbortSignal.any([stopping.signal, hidden]))
      over.abort()
      if (!mayGoOn) return
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }
  void begin()
  return () => stopping.abort()
}

/** @returns whether to try again */
const followOnce = async (filters: Parameters, follower: Follower, signal: AbortSignal): Promise<boolean> => {
  const beginning = new AbortController()
  const giveUp = setTimeout(() => beginning.abort(new DOMException("no answer", "TimeoutError")), SILENT_MS)
  const either = AbortSignal.any([signal, beginning.signal])
  const response = await request("GET", "/api/v1/queries/stream", { query: filters, signal: either })
  clearTimeout(giveUp)
  if (signal.aborted) return true
  if (response?.ok === true && response.body !== null) {
    follower.onState(true)
    await readEvents(response.body, signal, follower)
    if (!signal.aborted) follower.onState(false)
    return true
  }
  // A filter that cannot be read stays so.
  if (response?.status === 400) {
    follower.onState(false, ((await response.json()) as { readonly message?: string }).message)
    return false
  }
  follower.onState(false, response?.status === 503 ? "the server sends no more streams now" : undefined)
  return response?.status !== 401
}

const untilShown = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (!document.hidden) {
      resolve()
      return
    }
    document.addEventListener("visibilitychange", () => resolve(), { once: true, signal })
    signal.addEventListener("abort", () => resolve())
  })

/** Aborted when nobody looks at the page any more; looks until it is over. */
const whenHidden = (over: AbortSignal): AbortSignal => {
  const hiding = new AbortController()
  document.addEventListener("visibilitychange", () => document.hidden && hiding.abort(), { signal: over })
  return hiding.signal
}

const readEvents = async (
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
  { onDropped, onQueries }: Follower
): Promise<void> => {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let silence = 0
  let rest = ""
  try {
    while (!signal.aborted) {
      silence = window.setTimeout(() => void reader.cancel(), SILENT_MS)
      const { done, value } = await reader.read()
      clearTimeout(silence)
      if (done) return
      const events = (rest + value).split("\n\n")
      rest = events.pop() ?? ""
      for (const event of events) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? []
        if (data === undefined) continue
        if (name === "query") onQueries(JSON.parse(data) as ReadonlyArray<QueryShape>)
        else if (name === "dropped") onDropped((JSON.parse(data) as { readonly count: number }).count)
      }
    }
  } catch {
    // The connection broke, or was let go.
  } finally {
    clearTimeout(silence)
  }
}
