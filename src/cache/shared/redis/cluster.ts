/**
 * Redis Cluster: commands go to the node that has their key's slot, and follow where slots have moved.
 *
 * The connection that was made first stays: pub/sub reaches all nodes from any of them.
 */
import { Effect, type Scope } from "effect"
import { createCluster, type RedisClientOptions } from "redis"
import { asBuffers, type RedisArgument, type RedisConnection, RedisUnreachable, unreachable } from "./connection.ts"
import { ReplyLimit } from "./reply-limit.ts"

/** Finding out where slots are, and connecting to all nodes. */
const DISCOVERY_MS = 5_000

/** Whether the Redis at the other end is a node of a cluster. */
export const isClusterNode = (connection: RedisConnection): Effect.Effect<boolean, RedisUnreachable> =>
  Effect.map(connection.ask(["HELLO"]), (reply) => String((reply as Record<string, unknown>)["mode"]) === "cluster")

/** The same connection with commands that have a key sent to its node. */
export const throughCluster = (
  seed: RedisConnection,
  options: RedisClientOptions
): Effect.Effect<RedisConnection, RedisUnreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const { socket, ...others } = options
    const cluster = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const { host, port, ...sockets } = socket as { readonly host: string; readonly port: number }
        const made = createCluster({
          rootNodes: [{ socket: { host, port } }],
          // A node that went away is asked for again by the client, which has to know where its slots are now.
          defaults: { ...others, socket: { ...sockets, reconnectStrategy: reconnect } }
        })
        // It fails the commands that meet it too.
        return made.on("error", () => {}).on("node-error", () => {})
      }),
      (made) => Effect.sync(() => made.destroy())
    )
    const limit = yield* ReplyLimit.make
    yield* Effect.tryPromise({ try: () => limit.run(() => cluster.connect()), catch: unreachable }).pipe(
      Effect.timeoutOrElse({
        duration: DISCOVERY_MS,
        orElse: () => Effect.fail(new RedisUnreachable({ message: "the cluster does not say where its slots are" }))
      })
    )
    const send = (args: ReadonlyArray<RedisArgument>): Promise<unknown> => {
      const key = keyOf(args)
      if (key === undefined) return seed.send(args)
      const reply = cluster.sendCommand<unknown>(key, false, [...args], asBuffers)
      reply.then(limit.onWhole, limit.onWhole)
      return reply
    }
    return {
      ...seed,
      send,
      ask: (args) => Effect.tryPromise({ try: () => send(args), catch: unreachable }),
      ping: async () => {
        await Promise.all(cluster.masters.map(async (node) => (await cluster.nodeClient(node)).ping()))
      }
    }
  })

const reconnect = (retries: number): number => Math.min(100 * 2 ** retries, 2_000)

/** Of the commands that this server sends: behind a script's text and number of keys, else behind the command. */
const keyOf = (args: ReadonlyArray<RedisArgument>): RedisArgument | undefined => args[args[0] === "EVAL" ? 3 : 1]
