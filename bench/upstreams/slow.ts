/**
 * An upstream that takes its time: every question is answered with an address, but only after a fixed delay.
 *
 * It runs in the benchmark's own process, which has nothing else to do meanwhile. One timer serves all that wait: they
 * are answered in the order in which they came.
 */
import { createSocket, type RemoteInfo } from "node:dgram"
import { Effect, type Scope } from "effect"
import { BenchProblem } from "../problem.ts"

const HEADER_SIZE = 12
const SOCKET_BUFFER = 4 << 20
/** A pointer to the question's name, type A, class IN, TTL 3600, 192.0.2.1. */
const RECORD = [0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1]

export interface SlowUpstream {
  readonly port: number
  /** Questions that have come so far. */
  readonly questions: () => number
}

/** Listens on a free port of 127.0.0.1 until the scope closes. */
export const startSlowUpstream = (delayMs: number): Effect.Effect<SlowUpstream, BenchProblem, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(listen(delayMs), ({ stop }) => Effect.sync(stop)),
    ({ upstream }) => upstream
  )

interface Waiting {
  readonly dueMs: number
  readonly reply: Buffer
  readonly client: RemoteInfo
}

const listen = (delayMs: number) =>
  Effect.callback<{ readonly upstream: SlowUpstream; readonly stop: () => void }, BenchProblem>((resume) => {
    const socket = createSocket("udp4")
    const queue: Array<Waiting> = []
    let head = 0
    let questions = 0
    const answerDue = (): void => {
      const nowMs = performance.now()
      for (; head < queue.length && queue[head]!.dueMs <= nowMs; head++) {
        const { reply, client } = queue[head]!
        socket.send(reply, client.port, client.address)
      }
      if (head > 10_000) {
        queue.splice(0, head)
        head = 0
      }
    }
    const timer = setInterval(answerDue, 1)
    socket.on("message", (query, client) => {
      questions++
      const reply = replyTo(query)
      if (reply !== undefined) queue.push({ dueMs: performance.now() + delayMs, reply, client })
    })
    const stop = (): void => {
      clearInterval(timer)
      socket.close()
    }
    socket.once("error", (cause) => {
      stop()
      resume(Effect.fail(new BenchProblem({ message: cause.message })))
    })
    socket.bind(0, "127.0.0.1", () => {
      socket.setRecvBufferSize(SOCKET_BUFFER)
      socket.setSendBufferSize(SOCKET_BUFFER)
      resume(Effect.succeed({ upstream: { port: socket.address().port, questions: () => questions }, stop }))
    })
  })

/** Header and question as they came, one record, no OPT; undefined where the message ends too early. */
export const replyTo = (query: Buffer): Buffer | undefined => {
  let at = HEADER_SIZE
  while (at < query.length && query[at] !== 0) at += query[at]! + 1
  const end = at + 5
  if (end > query.length) return undefined
  const reply = Buffer.concat([query.subarray(0, end), Buffer.from(RECORD)])
  reply.writeUInt16BE(0x8180, 2)
  reply.writeUInt16BE(1, 6)
  reply.writeUInt32BE(0, 8)
  return reply
}
