/** Clients of DNS over HTTPS that attack by HTTP/2 itself: they are sent away, and others are served meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DNS_MESSAGE, openHttps, request } from "../support/clients/https-client.ts"
import {
  END_HEADERS,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FrameType,
  frame,
  openRawHttp2,
  requestHeaders
} from "../support/clients/raw-http2.ts"
import { until } from "../support/machine/until.ts"
import { encodeQuestion, startServer } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { long } from "../support/wire/messages.ts"

const CANCEL = 8
const query = encodeQuestion({ name: "www.example.test" }, 0)

type Attack = (round: number) => ReadonlyArray<Uint8Array>

const streamOf = (round: number): number => 2 * round + 1

/** What each sends again and again. */
const floods: Readonly<Record<string, Attack>> = {
  "requests that are taken back at once (rapid reset, CVE-2023-44487)": (round) => [
    frame(FrameType.Headers, END_HEADERS, streamOf(round), requestHeaders()),
    frame(FrameType.Data, END_STREAM, streamOf(round), query),
    frame(FrameType.Reset, 0, streamOf(round), long(CANCEL))
  ],
  "requests without a body that are taken back": (round) => [
    frame(FrameType.Headers, END_HEADERS, streamOf(round), requestHeaders()),
    frame(FrameType.Reset, 0, streamOf(round), long(CANCEL))
  ],
  "requests that the server has to reset (MadeYouReset, CVE-2025-8671)": (round) => [
    frame(FrameType.Headers, END_HEADERS, streamOf(round), requestHeaders()),
    frame(FrameType.WindowUpdate, 0, streamOf(round), long(0))
  ],
  "settings (CVE-2019-9515)": () => [frame(FrameType.Settings, 0, 0, [0, 4, 0, 0, 0xff, 0xff])],
  "pings (CVE-2019-9512)": () => [frame(FrameType.Ping, 0, 0, new Uint8Array(8))],
  priorities: (round) => [frame(FrameType.Priority, 0, streamOf(round), [0, 0, 0, 0, 16])],
  "windows that grow by one": () => [frame(FrameType.WindowUpdate, 0, 0, long(1))],
  "frames of a type that there is not": () => [frame(0xbe, 0, 0, new Uint8Array(8))],
  "malformed requests": (round) => [frame(FrameType.Headers, END_HEADERS | END_STREAM, streamOf(round), [0x82, 0x82])]
}

const server = Effect.gen(function* () {
  const upstream = yield* fakeUpstream(address("192.0.2.1"))
  const running = yield* startServer({
    DNS_SERVER_UPSTREAMS: upstream.address,
    DNS_SERVER_LISTEN: "https://127.0.0.1:0"
  })
  const served = Effect.gen(function* () {
    const session = yield* openHttps(running.port)
    const { status } = yield* request(session, { ":method": "POST", "content-type": DNS_MESSAGE }, query)
    assert.strictEqual(status, 200)
    assert.strictEqual(running.counters.read("defects"), 0)
  })
  return { ...running, served }
})

const ROUNDS = 20_000
const AT_ONCE = 100

describe("a client that floods the server", () => {
  for (const [what, attack] of Object.entries(floods)) {
    it.live(`with ${what} is sent away`, () =>
      Effect.gen(function* () {
        const { port, served } = yield* server
        const hostile = yield* openRawHttp2(port)
        let isHeard = true
        let round = 0
        while (isHeard && round < ROUNDS) {
          const frames = Array.from({ length: AT_ONCE }, (_, i) => attack(round + i)).flat()
          isHeard = yield* hostile.send(...frames)
          round += AT_ONCE
        }
        yield* until("it is sent away", () => hostile.goneFor() >= 0 || hostile.isClosed())
        assert.include([ENHANCE_YOUR_CALM, -1], hostile.goneFor(), what)
        yield* served
      })
    )
  }
})

describe("headers", () => {
  it.live("that never end are not read on (CONTINUATION flood, CVE-2024-24549)", () =>
    Effect.gen(function* () {
      const { port, served } = yield* server
      for (const size of [0, 1, 4_000]) {
        const hostile = yield* openRawHttp2(port)
        yield* hostile.send(frame(FrameType.Headers, 0, 1, requestHeaders()))
        for (let sent = 0; sent < 2_000; sent++) {
          if (!(yield* hostile.send(frame(FrameType.Continuation, 0, 1, new Uint8Array(size))))) break
        }
        yield* until("it is sent away", () => hostile.goneFor() === ENHANCE_YOUR_CALM || hostile.isClosed())
      }
      yield* served
    })
  )

  it.live("that are small on the wire and large when they are read are refused (CVE-2016-6581)", () =>
    Effect.gen(function* () {
      const { port, served } = yield* server
      const hostile = yield* openRawHttp2(port)
      // A field of 3,000 octets is put into the table, and named 10,000 times by one octet each.
      const large = Uint8Array.from([0x40, 1, 0x61, 0x7f, 0xb9, 0x16, ...new Uint8Array(3_000).fill(0x62)])
      yield* hostile.send(frame(FrameType.Headers, END_HEADERS | END_STREAM, 1, large))
      for (let stream = 3; stream < 200; stream += 2) {
        const bomb = new Uint8Array(10_000).fill(0xbe)
        if (!(yield* hostile.send(frame(FrameType.Headers, END_HEADERS | END_STREAM, stream, bomb)))) break
      }
      yield* served
    })
  )

  it.live("of a stream that depends on itself are read to their end, and the next request is understood", () =>
    Effect.gen(function* () {
      const { port, served } = yield* server
      const client = yield* openRawHttp2(port)
      const headers = requestHeaders()
      const priority = [0, 0, 0, 1, 16]
      yield* client.send(
        frame(FrameType.Headers, 0x20, 1, Uint8Array.from([...priority, ...headers.subarray(0, 20)])),
        frame(FrameType.Continuation, END_HEADERS, 1, headers.subarray(20)),
        frame(FrameType.Headers, END_HEADERS, 3, headers),
        frame(FrameType.Data, END_STREAM, 3, query)
      )
      let isAnswered = false
      client.socket.on("data", (chunk: Buffer) => {
        isAnswered ||= chunk.includes(Buffer.of(192, 0, 2, 1))
      })
      yield* until("the second is answered", () => isAnswered)
      assert.strictEqual(client.goneFor(), -1)
      yield* served
    })
  )
})
