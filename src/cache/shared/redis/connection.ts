/**
 * One connection to Redis, from when it is made until something is wrong with it; the next one is a new one.
 *
 * Effect's client keeps commands for later while it has no connection, tries to get it back by itself and waits for
 * answers when it is closed, however long: none of it serves here. So a connection that fails is over, commands without
 * one fail at once, and one that is not needed any more is destroyed.
 */
import { getCACertificates } from "node:tls"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Schema, Scope } from "effect"
import type { Redis } from "effect/persistence"
import { ErrorReply, RESP_TYPES, type RedisClientOptions } from "redis"
import type { RedisAddress } from "../../../config/codec/redis-address.ts"
import { ReplyLimit } from "./reply-limit.ts"

const CONNECT_TIMEOUT_MS = 2_000
/** A connection on which nothing moves for so long is none any more; a heartbeat a second moves it. */
const SILENCE_MS = 5_000
/** Commands that wait for Redis at most, whatever happens: what is more fails at once. */
const MAX_WAITING = 20_000

/** There is no connection to Redis, or it has ended: why. */
export class RedisUnreachable extends Schema.TaggedError<RedisUnreachable>()("RedisUnreachable", {
  message: Schema.String
}) {}

export type RedisArgument = string | Buffer

export interface RedisConnection {
  /** Sends a command with all others of this turn. Strings in the reply come as Buffers. */
  readonly send: (args: ReadonlyArray<RedisArgument>) => Promise<unknown>
  /** The same for what is not on a query's way. */
  readonly ask: (args: ReadonlyArray<RedisArgument>) => Effect.Effect<unknown, RedisUnreachable>
  readonly subscribe: (channel: string, onMessage: (text: string) => void) => Effect.Effect<void, RedisUnreachable>
  /** Pings every node: nodes that hold no key of a command would not be heard otherwise. */
  readonly ping: () => Promise<void>
  /** Fails when the connection has ended. */
  readonly ended: Effect.Effect<never, RedisUnreachable>
}

export const asBuffers = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.SIMPLE_STRING]: Buffer } }

/** @param authorities that the certificate of a Redis over TLS may be signed by, beside those that Node knows */
export const clientOptions = (address: RedisAddress, authorities: ReadonlyArray<string>): RedisClientOptions => ({
  socket: {
    host: address.host,
    port: address.port,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    reconnectStrategy: false,
    ...(address.isEncrypted ? { tls: true, ca: [...getCACertificates("default"), ...authorities] } : {})
  },
  ...(address.username === undefined ? {} : { username: address.username }),
  ...(address.password === undefined ? {} : { password: address.password }),
  database: address.database,
  name: "strand",
  disableOfflineQueue: true,
  disableClientInfo: true,
  commandsQueueMaxLength: MAX_WAITING,
  // A timer for each command would cost more than the command.
  commandOptions: { timeout: 0 },
  maintNotifications: "disabled"
})

/** Connects, and says who it is, for as long as the scope lives. */
export const connect = (options: RedisClientOptions): Effect.Effect<RedisConnection, RedisUnreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const limit = yield* ReplyLimit.make
    const context = yield* built(options, limit)
    const { client, use } = Context.get(context, NodeRedis.NodeRedis)
    yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
    const ended = yield* Deferred.make<never, RedisUnreachable>()
    const end = (cause?: unknown): void => {
      Deferred.doneUnsafe(ended, Effect.fail(unreachable(cause ?? new Error("the connection was closed"))))
    }
    client.on("error", end).on("end", () => end())
    const send = (args: ReadonlyArray<RedisArgument>): Promise<unknown> => {
      const reply = client.sendCommand(args, asBuffers)
      reply.then(limit.onWhole, limit.onWhole)
      return reply
    }
    return {
      send,
      ask: (args) =>
        Effect.mapError(
          use(() => send(args)),
          unreachable
        ),
      subscribe: (channel, onMessage) => {
        const onWhole = (text: string): void => {
          limit.onWhole()
          onMessage(text)
        }
        return Effect.mapError(
          use((client) => client.subscribe(channel, onWhole)),
          unreachable
        )
      },
      ping: () => Promise.resolve(),
      ended: Deferred.await(ended)
    }
  })

/**
 * The client, connected.
 *
 * To close one that has sent its first words and got no answer takes for ever: nobody waits for that. Its socket goes
 * with the silence.
 */
const built = (
  options: RedisClientOptions,
  limit: ReplyLimit
): Effect.Effect<Context.Context<NodeRedis.NodeRedis>, RedisUnreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const own = yield* Effect.acquireRelease(Scope.make(), (scope) => Effect.forkDetach(Scope.close(scope, Exit.void)))
    const building = Layer.buildWithScope(NodeRedis.layer(options), own).pipe(
      // It would say so at every attempt.
      Effect.provide(Logger.layer([])),
      Effect.mapError(unreachable)
    )
    const fiber = limit.run(() => Effect.runFork(building))
    return yield* Effect.onInterrupt(Fiber.join(fiber), () => Effect.sync(() => fiber.interruptUnsafe()))
  })

/** Whether it is an error that Redis answered with: of that kind, if one is said. */
export const isReply = (error: unknown, kind = ""): error is Error =>
  error instanceof ErrorReply && error.message.startsWith(kind)

/** What Redis says, for people: it may say anything, at any length. */
export const oneLine = (text: string): string => text.slice(0, 200).replaceAll(/[^\x20-\x7e]/g, "?")

/** Why there is no Redis, in one line without anything secret. */
export const unreachable = (error: unknown): RedisUnreachable => {
  const cause = (error as Redis.RedisError).cause ?? error
  const causes = cause instanceof AggregateError ? cause.errors : [cause]
  const texts = causes.map((each) => (each instanceof Error ? each.message || each.name : String(each)))
  return new RedisUnreachable({ message: texts.map(oneLine).join("; ") })
}
