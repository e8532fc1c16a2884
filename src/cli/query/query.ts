/** `strand query`: one question to the running server, or to any other, and its answer in full. */
import { lookup } from "node:dns/promises"
import { Effect, Option, Result } from "effect"
import { readUpstreamAddress } from "../../config/codec/upstream.ts"
import { isNamed, nameUpstream, type UpstreamAddress } from "../../config/codec/upstream-address.ts"
import { load } from "../../config/configuration.ts"
import type { Settings } from "../../config/schema/settings.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { CommandFailed } from "../failure.ts"
import { reachable } from "../reachable.ts"
import { printJson, printLines } from "../text/print.ts"
import { printable } from "../text/printable.ts"
import { style } from "../text/style.ts"
import { ask, type Server } from "./ask.ts"
import { readMessage, type ShownMessage } from "./message.ts"
import { type QuestionOptions, readQuestion } from "./question.ts"
import { answerLines, shortLines } from "./shown.ts"

interface QueryOptions extends QuestionOptions {
  /** The configuration's file. */
  readonly file: string | undefined
  readonly via: string | undefined
  readonly timeoutSeconds: number
  readonly isShort: boolean
  readonly isJson: boolean
}

export const query = Effect.fnUntraced(function* (options: QueryOptions) {
  const question = yield* readQuestion(options)
  const server = yield* serverOf(options)
  const name = nameUpstream(server.address)
  const {
    tookMs,
    protocol,
    message: octets
  } = yield* ask(server, question.id, question.message).pipe(
    Effect.timeoutOrElse({
      duration: options.timeoutSeconds * 1_000,
      orElse: () => Effect.fail(new CommandFailed({ message: `no answer within ${options.timeoutSeconds} s` }))
    }),
    Effect.mapError(({ message }) => {
      const hint = options.via === undefined ? ". Is the server running? --via asks another" : ""
      return new CommandFailed({ message: printable(`${name} does not answer: ${message}${hint}`) })
    })
  )
  const message = yield* read(name, octets)
  if (options.isJson) {
    return yield* printJson({
      server: name,
      protocol,
      tookMs: Math.round(tookMs * 1_000) / 1_000,
      ...message
    })
  }
  if (options.isShort) return yield* printLines(shortLines(message))
  yield* printLines(answerLines(message, { server: name, protocol, tookMs }, yield* style))
})

const read = (server: string, octets: Uint8Array): Effect.Effect<ShownMessage, CommandFailed> =>
  Effect.try({
    try: () => readMessage(octets),
    catch: (cause) => new CommandFailed({ message: `${server} answers what is no DNS message: ${messageOf(cause)}` })
  })

/** The server of `--via`, else the one that the configuration describes. */
const serverOf = Effect.fnUntraced(function* ({ via, file }: QueryOptions) {
  if (via === undefined) {
    const { settings } = yield* load(file)
    const address = ownAddress(settings)
    return { address, addresses: [address.endpoint.address], authorities: [] } satisfies Server as Server
  }
  const parsed = readUpstreamAddress(via)
  if (Result.isFailure(parsed)) {
    return yield* new CommandFailed({ message: `--via: ${printable(via)}: expected ${parsed.failure}` })
  }
  const address = parsed.success
  const isSecure = address.protocol === "tls" || address.protocol === "https"
  return {
    address,
    addresses: yield* addressesOf(address),
    authorities: isSecure ? yield* authoritiesOf(file) : []
  } satisfies Server as Server
})

const ownAddress = ({ listen }: Settings): UpstreamAddress => {
  const first = listen.find(({ protocols }) => protocols.includes("udp")) ?? listen[0]
  return { protocol: first.protocols.includes("udp") ? "udp" : "tcp", endpoint: reachable(first.endpoint) }
}

/** Those of a name are asked of the system's resolvers: the server under test may not know it. */
const addressesOf = (address: UpstreamAddress): Effect.Effect<ReadonlyArray<string>, CommandFailed> => {
  const host = address.endpoint.address
  if (!isNamed(address)) return Effect.succeed([host])
  return Effect.tryPromise({
    try: async () => (await lookup(host, { all: true })).map((found) => found.address),
    catch: (cause) =>
      new CommandFailed({ message: `--via: the address of ${host} is not to be had: ${messageOf(cause)}` })
  })
}

/** `tls_ca_file` of the configuration. One that has mistakes elsewhere is no reason not to ask another server. */
const authoritiesOf = Effect.fnUntraced(function* (file: string | undefined) {
  const loaded = yield* file === undefined ? Effect.option(load(file)) : Effect.asSome(load(file))
  return Option.isSome(loaded) ? (loaded.value.settings.tlsCaFile?.certificates ?? []) : []
})
