/** Upstreams that go bad while they are asked, each in its way. */
import { Effect, type Scope } from "effect"
import { freePort } from "../machine/ports.ts"
import { type WireBehaviour, wireUpstream } from "../upstreams/fake-upstream.ts"
import { mirror } from "../upstreams/mirror.ts"
import { upstreamProcess } from "../upstreams/upstream-process.ts"

const servfail = (query: Buffer): Buffer => {
  const reply = Buffer.from(query)
  reply.writeUInt16BE(0x8182, 2)
  return reply
}

/** An upstream whose behaviour can be changed while it runs. */
const changeable = Effect.gen(function* () {
  let behaviour: WireBehaviour = mirror
  const upstream = yield* wireUpstream((query, transport, count) => behaviour(query, transport, count))
  return {
    address: upstream.address,
    become: (next: WireBehaviour) =>
      Effect.sync(() => {
        behaviour = next
      })
  }
})

export interface UpstreamFault {
  readonly address: string
  /** Makes the upstream bad. */
  readonly strike: Effect.Effect<void>
}

export const upstreamFaults: Readonly<Record<string, Effect.Effect<UpstreamFault, never, Scope.Scope>>> = {
  killed: Effect.gen(function* () {
    const port = yield* freePort
    const { signal } = yield* upstreamProcess(port)
    return { address: `127.0.0.1:${port}`, strike: signal("SIGKILL") }
  }),
  "stopped (SIGSTOP)": Effect.gen(function* () {
    const port = yield* freePort
    const { signal } = yield* upstreamProcess(port)
    return { address: `127.0.0.1:${port}`, strike: signal("SIGSTOP") }
  }),
  "losing 30 % of its answers": Effect.gen(function* () {
    const { address, become } = yield* changeable
    const lossy: WireBehaviour = (query, transport, count) => (count % 10 < 3 ? [] : mirror(query, transport, count))
    return { address, strike: become(lossy) }
  }),
  "answering SERVFAIL": Effect.gen(function* () {
    const { address, become } = yield* changeable
    return { address, strike: become((query) => [{ reply: servfail(query) }]) }
  }),
  flapping: Effect.gen(function* () {
    const { address, become } = yield* changeable
    const isDark = (): boolean => Math.floor(performance.now() / 700) % 2 === 0
    return {
      address,
      strike: become((query, transport, count) => (isDark() ? [] : mirror(query, transport, count)))
    }
  })
}
