/** Asks thousands of questions, some at a time, over UDP from one socket and over TCP on a few connections. */

import { createSocket } from "node:dgram"
import { connect } from "node:net"
import { Effect } from "effect"
import { framed } from "../upstreams/fake-upstream.ts"
import { onReply } from "./udp-client.ts"

/** Waiting at once, unless told otherwise. */
const WINDOW = 64
/** Sent in one turn of the event loop, so that no buffer runs over. */
const BURST = 50
/** A datagram may be lost, on loopback too. */
const RESEND_MS = 3000
const MAX_SENDS = 20
const PER_CONNECTION = 50

export interface ToAsk {
  /** With an id that no other question of the batch has. */
  readonly wire: Buffer
  readonly transport: "udp" | "tcp"
}

/**
 * The answers, in the order of the questions; undefined where none came.
 *
 * @param resendMs after which a datagram is sent again
 */
export const askMany = (
  port: number,
  questions: ReadonlyArray<ToAsk>,
  window = WINDOW,
  resendMs = RESEND_MS
): Effect.Effect<ReadonlyArray<Buffer | undefined>> =>
  Effect.gen(function* () {
    const answers: Array<Buffer | undefined> = questions.map(() => undefined)
    const indices = (transport: "udp" | "tcp") =>
      questions.flatMap((asked, i) => (asked.transport === transport ? [i] : []))
    const byTcp = indices("tcp")
    const connections = Array.from({ length: Math.ceil(byTcp.length / PER_CONNECTION) }, (_, i) =>
      byTcp.slice(i * PER_CONNECTION, (i + 1) * PER_CONNECTION)
    )
    const answer = (i: number, octets: Buffer): void => {
      answers[i] = octets
    }
    yield* Effect.all(
      [
        byDatagrams(port, questions, indices("udp"), answer, window, resendMs),
        Effect.forEach(connections, (part) => byStream(port, questions, part, answer), { concurrency: 4 })
      ],
      { concurrency: 2 }
    )
    return answers
  })

type OnAnswer = (index: number, octets: Buffer) => void

const byDatagrams = (
  port: number,
  questions: ReadonlyArray<ToAsk>,
  indices: ReadonlyArray<number>,
  onAnswer: OnAnswer,
  window: number,
  resendMs: number
): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 })
    const waiting = new Map<number, { readonly index: number; sends: number; sentMs: number }>()
    let next = 0
    const send = (index: number): void => socket.send(questions[index]!.wire, port, "127.0.0.1")
    let isFilling = false
    const fill = (): void => {
      isFilling = false
      for (let sent = 0; sent < BURST && waiting.size < window && next < indices.length; sent++) {
        const index = indices[next++]!
        waiting.set(questions[index]!.wire.readUInt16BE(0), { index, sends: 1, sentMs: Date.now() })
        send(index)
      }
      if (waiting.size === 0 && next === indices.length) resume(Effect.void)
      if (waiting.size >= window || next === indices.length) return
      if (!isFilling) setImmediate(fill)
      isFilling = true
    }
    onReply(socket, port, (octets) => {
      const id = octets.readUInt16BE(0)
      const asked = waiting.get(id)
      if (asked === undefined) return
      waiting.delete(id)
      onAnswer(asked.index, octets)
      fill()
    })
    const resend = setInterval(() => {
      for (const [id, asked] of waiting) {
        if (Date.now() - asked.sentMs < resendMs) continue
        if (asked.sends++ >= MAX_SENDS) waiting.delete(id)
        else send(asked.index)
        asked.sentMs = Date.now()
      }
      fill()
    }, 250)
    fill()
    return Effect.sync(() => {
      clearInterval(resend)
      socket.close()
    })
  }).pipe(Effect.asVoid)

const byStream = (
  port: number,
  questions: ReadonlyArray<ToAsk>,
  indices: ReadonlyArray<number>,
  onAnswer: OnAnswer
): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const waiting = new Map(indices.map((index) => [questions[index]!.wire.readUInt16BE(0), index]))
    const socket = connect(port, "127.0.0.1")
    let rest = Buffer.alloc(0)
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const octets = rest.subarray(2, 2 + rest.readUInt16BE(0))
        rest = rest.subarray(2 + octets.length)
        const index = waiting.get(octets.readUInt16BE(0))
        if (index !== undefined) onAnswer(index, octets)
        waiting.delete(octets.readUInt16BE(0))
      }
      if (waiting.size === 0) resume(Effect.void)
    })
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.void))
    socket.write(Buffer.concat(indices.map((index) => framed(questions[index]!.wire))))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOption(60_000), Effect.asVoid)
