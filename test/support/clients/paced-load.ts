/** Questions for names that nobody has asked for, so many a second, each sent once, and how long their answers took. */

import { createSocket } from "node:dgram"
import { Effect, Fiber, type Scope } from "effect"
import { encodeQuestion } from "../servers/server.ts"
import { deservedData } from "../upstreams/mirror.ts"
import { onReply } from "./udp-client.ts"

const TICK_MS = 10

export interface Load {
  readonly asked: number
  /** No answer. */
  readonly lost: number
  /** When those without an answer were asked, in milliseconds from the start. */
  readonly lostAtMs: ReadonlyArray<number>
  /** Another answer than the name deserves. */
  readonly failed: number
  /** Milliseconds of each answer, and when its question was asked. */
  readonly answers: ReadonlyArray<{ readonly atMs: number; readonly tookMs: number }>
}

export const quantileOf = (load: Load, share: number, fromMs = 0): number => {
  const times = load.answers.filter(({ atMs }) => atMs >= fromMs).map(({ tookMs }) => tookMs)
  times.sort((a, b) => a - b)
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
}

/** Asks until it is stopped; what `stop` gives is what has become of all questions, those under way waited for. */
export const steadyLoad = (
  port: number,
  nameOf: (number: number) => string,
  perSecond: number,
  patienceMs = 20_000
): Effect.Effect<{ readonly stop: Effect.Effect<Load> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    let isStopped = false
    const fiber = yield* Effect.forkScoped(
      pacedLoad(port, nameOf, perSecond, () => isStopped, patienceMs),
      { startImmediately: true }
    )
    return {
      stop: Effect.suspend(() => {
        isStopped = true
        return Fiber.join(fiber)
      })
    }
  })

/** @param forMs how long it asks, or whether it has asked enough; answers are waited for as long as `patienceMs` behind that */
export const pacedLoad = (
  port: number,
  nameOf: (number: number) => string,
  perSecond: number,
  forMs: number | (() => boolean),
  patienceMs: number
): Effect.Effect<Load> =>
  Effect.callback((resume) => {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 })
    const waiting = new Map<number, number>()
    const answers: Array<{ atMs: number; tookMs: number }> = []
    let failed = 0
    let asked = 0
    let isAsking = true
    const startMs = performance.now()
    onReply(socket, port, (octets) => {
      const id = octets.readUInt16BE(0)
      const sentMs = waiting.get(id)
      if (sentMs === undefined) return
      waiting.delete(id)
      const isGood = (octets[3]! & 15) === 0 && octets.subarray(-4).equals(deservedData(octets))
      if (!isGood) failed++
      answers.push({ atMs: sentMs - startMs, tookMs: performance.now() - sentMs })
      if (!isAsking && waiting.size === 0) end()
    })
    const tick = setInterval(() => {
      const elapsedMs = performance.now() - startMs
      if (isAsking && (typeof forMs === "number" ? elapsedMs > forMs : forMs())) {
        isAsking = false
        if (waiting.size === 0) end()
        setTimeout(end, patienceMs)
      }
      const due = isAsking ? Math.min(Math.floor((elapsedMs * perSecond) / 1000), asked + 200) : asked
      for (; asked < due; asked++) {
        const id = asked & 0xffff
        waiting.set(id, performance.now())
        socket.send(encodeQuestion({ name: nameOf(asked) }, id), port, "127.0.0.1")
      }
    }, TICK_MS)
    const end = (): void => {
      clearInterval(tick)
      const lostAtMs = [...waiting.values()].map((sentMs) => Math.round(sentMs - startMs))
      resume(Effect.succeed({ asked, lost: waiting.size, lostAtMs, failed, answers }))
    }
    return Effect.sync(() => {
      clearInterval(tick)
      socket.close()
    })
  })
