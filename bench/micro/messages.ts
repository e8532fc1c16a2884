/** Messages for the benchmarks of single functions, as clients and upstreams send them. */
import packet, { type Answer } from "dns-packet"

const NAME = "www.example.com"

export const queryFor = (name: string): Uint8Array =>
  packet.encode({ type: "query", id: 4711, flags: packet.RECURSION_DESIRED, questions: [{ name, type: "A" }] })

export const plainQuery: Uint8Array = queryFor(NAME)

/** With an OPT and an option in it. */
export const ednsQuery: Uint8Array = packet.encode({
  type: "query",
  id: 4711,
  flags: packet.RECURSION_DESIRED,
  questions: [{ name: NAME, type: "A" }],
  additionals: [
    {
      type: "OPT",
      name: ".",
      udpPayloadSize: 1232,
      flags: 0,
      extendedRcode: 0,
      ednsVersion: 0,
      flag_do: false,
      options: [{ code: 12, length: 8 }]
    }
  ]
})

export const responseOf = (name: string, answers: ReadonlyArray<Answer>): Uint8Array =>
  packet.encode({
    type: "response",
    id: 4711,
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
    questions: [{ name, type: "A" }],
    answers: [...answers]
  })

/** So many addresses. */
export const addresses = (name: string, count: number): Uint8Array =>
  responseOf(
    name,
    Array.from({ length: count }, (_, i) => ({ type: "A", name, ttl: 300, data: `192.0.2.${i + 1}` }))
  )

/** A chain of two CNAMEs to four addresses, as content networks answer. */
export const chain: Uint8Array = responseOf(NAME, [
  { type: "CNAME", name: NAME, ttl: 300, data: "www.example.com.edge.network.example.net" },
  { type: "CNAME", name: "www.example.com.edge.network.example.net", ttl: 60, data: "e1234.a.network.example.net" },
  ...Array.from(
    { length: 4 },
    (_, i): Answer => ({
      type: "A",
      name: "e1234.a.network.example.net",
      ttl: 20,
      data: `192.0.2.${i + 1}`
    })
  )
])
