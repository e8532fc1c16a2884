/** The live query log as a view uses it: what is kept now, whether more comes, and what was not shown. */
import { useEffect, useRef, useState } from "preact/hooks"
import { get, type Parameters, pathWith, token } from "./api.ts"
import { followQueries } from "./follow.ts"
import { QueryBuffer } from "./query-buffer.ts"
import type { QueryShape } from "./shapes.ts"
import { useStore } from "./store.ts"

/** Between two redraws, at least; and where so many came that all that is shown is new each time, nobody follows. */
const REDRAW_MS = 250
const REDRAW_MANY_MS = 500
const MANY = 40
const FIRST = 500

export interface QueryLog {
  /** The newest first. */
  readonly queries: ReadonlyArray<QueryShape>
  /** Those that came while the log was held. */
  readonly waiting: number
  /** Those that the server did not send, for there were too many. */
  readonly dropped: number
  readonly isFollowing: boolean
  readonly isLoaded: boolean
  readonly mistake: string | undefined
}

const nothing: QueryLog = {
  queries: [],
  waiting: 0,
  dropped: 0,
  isFollowing: false,
  isLoaded: false,
  mistake: undefined
}

/** @param isHeld whether what comes waits: somebody reads */
export const useQueryLog = (filters: Parameters, isHeld: boolean): QueryLog => {
  const [log, setLog] = useState(nothing)
  const given = useStore(token)
  const held = useRef(isHeld)
  const redraw = useRef(() => {})
  const key = pathWith("", filters)

  useEffect(() => {
    const buffer = new QueryBuffer()
    let isOver = false
    let state = nothing
    let lastMs = 0
    let timer = 0
    let frame = 0
    const draw = (): void => {
      frame = 0
      lastMs = performance.now()
      if (!held.current) buffer.flush()
      state = { ...state, queries: buffer.queries, waiting: buffer.waitingCount }
      setLog(state)
    }
    /** In the next frame, but not sooner after another redraw than it may be. */
    const drawSoon = (): void => {
      if (frame !== 0 || timer !== 0 || isOver) return
      const waitMs = lastMs + (buffer.waitingCount < MANY ? REDRAW_MS : REDRAW_MANY_MS) - performance.now()
      if (waitMs <= 0) frame = requestAnimationFrame(draw)
      else {
        timer = window.setTimeout(() => {
          timer = 0
          frame = requestAnimationFrame(draw)
        }, waitMs)
      }
    }
    redraw.current = drawSoon
    setLog(nothing)
    const stop = followQueries(filters, {
      onQueries: (queries) => {
        buffer.add(queries)
        drawSoon()
      },
      onDropped: (count) => {
        state = { ...state, dropped: state.dropped + count }
        drawSoon()
      },
      onState: (isFollowing, mistake) => {
        state = { ...state, isFollowing, mistake }
        drawSoon()
        // What came while it did not follow.
        if (isFollowing && state.isLoaded) void fill()
      }
    })
    const fill = async (): Promise<void> => {
      const reply = await get<{ queries: ReadonlyArray<QueryShape> }>("/api/v1/queries", {
        ...filters,
        limit: FIRST
      })
      if (isOver) return
      if (reply.ok) buffer.add([...reply.value.queries].reverse())
      else state = { ...state, mistake: reply.message }
      drawSoon()
    }
    void fill().then(() => {
      if (isOver) return
      state = { ...state, isLoaded: true }
      buffer.flush()
      draw()
    })
    return () => {
      isOver = true
      stop()
      clearTimeout(timer)
      cancelAnimationFrame(frame)
    }
  }, [key, given])

  useEffect(() => {
    held.current = isHeld
    redraw.current()
  }, [isHeld])

  return log
}
