/**
 * Datagrams and clients' connections on sockets of our own, by one reactor a thread: on 64-bit Linux, where koffi is to
 * be had and a trial shows that it works.
 */
import { Context, Deferred, Effect, Layer, Schema } from "effect"
import { Incidents } from "../../runtime/incidents.ts"
import { DatagramTransport, SocketError } from "../datagram.ts"
import { formatEndpoint } from "../endpoint.ts"
import { StreamTransport } from "../stream-transport.ts"
import { makeDatagrams, Shared } from "./datagrams.ts"
import { Descriptors } from "./descriptors.ts"
import { type Libc, libc } from "./libc.ts"
import { StreamShared } from "./stream-socket.ts"
import { makeStreams } from "./streams.ts"

const TRIAL_MS = 1_000

/**
 * Batched datagrams do not work here; the portable way does.
 *
 * **When to use**
 *
 * Use to go the portable way where `datagrams: batched` was asked for. With `auto` it does not fail.
 *
 * **Example** (The portable way instead)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { layerDatagrams } from "strand-dns"
 *
 * const datagrams = Layer.catch(layerDatagrams("batched"), () => layerDatagrams("portable"))
 * ```
 */
export class BatchedUnavailable extends Schema.TaggedError<BatchedUnavailable>()("BatchedUnavailable", {
  message: Schema.String
}) {}

/** Where the descriptors are noted that this thread has open; a server of one thread need not. */
export const DescriptorMemory: Context.Reference<SharedArrayBuffer | undefined> = Context.Reference<
  SharedArrayBuffer | undefined
>("strand/io/DescriptorMemory", { defaultValue: () => undefined })

/**
 * What is sent to ourselves on loopback must come back: that tests receiving, sending and the wakeup.
 *
 * @returns whether two datagrams of one length arrived as two: a kernel that does not know UDP_SEGMENT, and does not
 *   say so, makes one of them
 */
const trial = (transport: DatagramTransport["Service"]): Effect.Effect<boolean, SocketError | BatchedUnavailable> =>
  Effect.scoped(
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<boolean>()
      const ignore = { onBatch: () => {}, onError: () => {}, onUnsent: () => {} }
      const target = yield* transport.bind(
        { address: "127.0.0.1", port: 0 },
        { ...ignore, onBatch: (batch) => Deferred.doneUnsafe(arrived, Effect.succeed(batch[0]!.length === 1)) }
      )
      const sender = yield* transport.connect(target.local, ignore)
      for (let i = 0; i < 2; i++) {
        sender.reserve()[0] = 0
        sender.send(1)
      }
      return yield* Effect.raceFirst(
        Deferred.await(arrived),
        Effect.delay(Effect.fail(new BatchedUnavailable({ message: "a trial datagram did not arrive" })), TRIAL_MS)
      )
    })
  )

/**
 * By a C library; undefined where none can be called.
 *
 * @param elsewhere how connections are served that are encrypted, where OpenSSL cannot be called
 */
export const layerOver = (
  library: Libc | undefined,
  elsewhere: (incidents: Incidents) => StreamTransport["Service"] = () => ({ listen: noTls })
): Layer.Layer<DatagramTransport | StreamTransport, BatchedUnavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const descriptors = new Descriptors(yield* DescriptorMemory)
      const incidents = yield* Incidents
      if (library === undefined) {
        return yield* new BatchedUnavailable({ message: "needs 64-bit Linux and the optional dependency koffi" })
      }
      const shared = yield* Effect.acquireRelease(
        Effect.sync(() => new Shared(library, descriptors, incidents)),
        ({ reactor }) => Effect.sync(() => reactor.close())
      )
      const transport = makeDatagrams(shared)
      shared.merges = yield* Effect.catchTag(trial(transport), "SocketError", (error) =>
        Effect.fail(new BatchedUnavailable({ message: error.message }))
      )
      const streams = new StreamShared(library, shared.reactor, shared.args, descriptors, incidents)
      return Context.make(DatagramTransport, transport).pipe(
        Context.add(StreamTransport, makeStreams(streams, elsewhere(incidents)))
      )
    })
  )

const noTls: StreamTransport["Service"]["listen"] = (local) =>
  Effect.fail(new SocketError({ endpoint: formatEndpoint(local), message: "TLS needs a Node that has OpenSSL in it" }))

export const layer: Layer.Layer<DatagramTransport | StreamTransport, BatchedUnavailable> = layerOver(libc)
