/** What the page asks for again and again: status and seconds once a second, and what a view shows for as long as it does. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { access, get, type Parameters, pathWith, type Reply, token, tryAccess } from "./api.ts"
import type { SecondShape, StatusShape } from "./shapes.ts"
import { makeStore, useStore } from "./store.ts"

const SECOND_MS = 1_000
const KEPT_SECONDS = 600
/** Asked for each time, more than one: a request may be late. */
const LATEST = 5
/** Where a second is missing for longer than this the page was not looking, and asks for all of them. */
const GAP_MS = 3_500

export const status = makeStore<StatusShape | undefined>(undefined)
/** The oldest first. */
export const seconds = makeStore<ReadonlyArray<SecondShape>>([])

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Until somebody looks at the page, and it may ask. */
const untilLookedAt = (): Promise<void> =>
  new Promise((resolve) => {
    const isWanted = (): boolean => !document.hidden && access.get() === "open"
    if (isWanted()) {
      resolve()
      return
    }
    const look = (): void => {
      if (!isWanted()) return
      document.removeEventListener("visibilitychange", look)
      stopListening()
      resolve()
    }
    document.addEventListener("visibilitychange", look)
    const stopListening = access.subscribe(look)
  })

/** By the page's own clock: the server's may be another. */
let receivedMs = Number.NEGATIVE_INFINITY

const askSeconds = async (): Promise<void> => {
  const kept = seconds.get()
  const lastMs = kept.at(-1)?.atMs ?? 0
  const isFresh = performance.now() - receivedMs < GAP_MS
  const reply = await get<ReadonlyArray<SecondShape>>("/api/v1/seconds", { last: isFresh ? LATEST : KEPT_SECONDS })
  if (!reply.ok || reply.value.length === 0) return
  receivedMs = performance.now()
  if (!isFresh) {
    seconds.set(reply.value)
    return
  }
  const fresh = reply.value.filter(({ atMs }) => atMs > lastMs)
  if (fresh.length > 0) seconds.set([...kept, ...fresh].slice(-KEPT_SECONDS))
}

const askStatus = async (): Promise<void> => {
  const reply = await get<StatusShape>("/api/v1/status")
  if (reply.ok) status.set(reply.value)
}

/** Begins, and does not end: the page goes with the browser's tab. */
export const beginPolling = async (): Promise<never> => {
  while (access.get() === "not known") {
    await tryAccess()
    if (access.get() === "not known") await sleep(SECOND_MS)
  }
  for (;;) {
    await untilLookedAt()
    const beganMs = performance.now()
    await Promise.all([askSeconds(), askStatus()])
    await sleep(Math.max(SECOND_MS / 4, SECOND_MS - (performance.now() - beganMs)))
  }
}

export interface Polled<A> {
  readonly value: A | undefined
  /** Of the last time; what was said before that is still shown. */
  readonly mistake: string | undefined
  /** Asks now. */
  readonly refresh: () => Promise<void>
}

/** What the API says at a path, asked for again after so many milliseconds; 0 to ask once. */
export const usePolled = <A>(path: string, query: Parameters, everyMs: number): Polled<A> => {
  const [reply, setReply] = useState<Reply<A> | undefined>(undefined)
  const [value, setValue] = useState<A | undefined>(undefined)
  const given = useStore(token)
  const whole = pathWith(path, query)
  const latest = useRef(whole)
  latest.current = whole
  const refresh = useCallback(async () => {
    const next = await get<A>(whole)
    // Something else is asked for by now.
    if (latest.current !== whole) return
    setReply(next)
    if (next.ok) setValue(() => next.value)
  }, [whole])
  useEffect(() => {
    let isWanted = true
    setValue(undefined)
    const begin = async (): Promise<void> => {
      while (isWanted) {
        await untilLookedAt()
        if (!isWanted) return
        const next = await get<A>(whole)
        if (!isWanted) return
        setReply(next)
        if (next.ok) setValue(() => next.value)
        if (everyMs === 0 && next.ok) return
        await sleep(everyMs === 0 ? SECOND_MS : everyMs)
      }
    }
    void begin()
    return () => {
      isWanted = false
    }
  }, [whole, everyMs, given])
  return { value, mistake: reply === undefined || reply.ok ? undefined : reply.message, refresh }
}
