/** A Redis that says what a test wants: for what redis-server cannot be made to do. */
import { createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** What is sent for a command; undefined for what a Redis with nothing in it says. */
export type RedisReply = (command: ReadonlyArray<string>, socket: Socket) => string | Buffer | undefined

export interface FakeRedis {
  readonly url: string
  /** Commands that have come, the first word of each. */
  readonly commands: ReadonlyArray<string>
  /** Sends octets to all who have subscribed. */
  readonly push: (octets: Buffer) => void
  /** Connections that are open. */
  readonly connections: ReadonlySet<Socket>
}

export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
/** A message of a channel. */
export const channelMessage = (channel: string, text: string): Buffer =>
  Buffer.from(`>3\r\n${bulk("message")}${bulk(channel)}${bulk(text)}`)
const array = (...parts: ReadonlyArray<string>): string => `*${parts.length}\r\n${parts.join("")}`

const usual: RedisReply = ([name, ...args]) => {
  switch (name) {
    case "HELLO":
      return `%1\r\n${bulk("mode")}${bulk("standalone")}`
    case "SUBSCRIBE":
      return `>3\r\n${bulk("subscribe")}${bulk(args[0]!)}:1\r\n`
    case "EVAL":
      return array(":0\r\n", "*0\r\n")
    case "TIME": {
      const nowMs = Date.now()
      return array(bulk(String(Math.floor(nowMs / 1000))), bulk(String((nowMs % 1000) * 1000)))
    }
    case "GETRANGE":
      return bulk("")
    default:
      return "+OK\r\n"
  }
}

/** Takes the first command off what has come; undefined where it is not whole. */
const readCommand = (octets: Buffer): { readonly command: ReadonlyArray<string>; readonly end: number } | undefined => {
  const text = octets.toString("latin1")
  const head = /^\*(\d+)\r\n/.exec(text)
  if (head === null) return undefined
  let at = head[0].length
  const command: Array<string> = []
  for (let i = Number(head[1]); i > 0; i--) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 20))
    if (size === null) return undefined
    const start = at + size[0].length
    at = start + Number(size[1]) + 2
    if (at > text.length) return undefined
    command.push(text.slice(start, at - 2))
  }
  return { command, end: at }
}

export const fakeRedis = (replyTo: RedisReply = () => undefined): Effect.Effect<FakeRedis, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly redis: FakeRedis; readonly stop: () => void }>((resume) => {
      const commands: Array<string> = []
      const connections = new Set<Socket>()
      const subscribers = new Set<Socket>()
      const server = createServer((socket) => {
        connections.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => {
          connections.delete(socket)
          subscribers.delete(socket)
        })
        let rest = Buffer.alloc(0)
        socket.on("data", (chunk: Buffer) => {
          rest = Buffer.concat([rest, chunk])
          for (let next = readCommand(rest); next !== undefined; next = readCommand(rest)) {
            rest = rest.subarray(next.end)
            const command = [next.command[0]!.toUpperCase(), ...next.command.slice(1)]
            commands.push(command[0]!)
            if (command[0] === "SUBSCRIBE") subscribers.add(socket)
            const reply = replyTo(command, socket) ?? usual(command, socket)
            if (reply !== undefined) socket.write(reply)
          }
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { readonly port: number }
        const push = (octets: Buffer): void => {
          for (const socket of subscribers) socket.write(octets)
        }
        const stop = (): void => {
          for (const socket of connections) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ redis: { url: `redis://127.0.0.1:${port}`, commands, push, connections }, stop }))
      })
    }),
    ({ stop }) => Effect.sync(stop)
  ).pipe(Effect.map(({ redis }) => redis))

/** Writes `header` and then octets until so many are out or nobody takes them; `written` says how many were taken. */
export const pour = (socket: Socket, header: string, octets: number): { readonly written: () => number } => {
  const before = socket.bytesWritten
  const chunk = Buffer.alloc(64 * 1024, 0x61)
  let left = octets
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= chunk.length
      if (!socket.write(chunk)) {
        socket.once("drain", more)
        return
      }
    }
  }
  socket.write(header)
  more()
  return { written: () => socket.bytesWritten - before }
}
