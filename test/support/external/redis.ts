/** A real redis-server, which tests can kill, stop and fill. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, type Scope } from "effect"
import { createClient, RESP_TYPES } from "redis"
import { freePort } from "../machine/ports.ts"
import { untilSo } from "../machine/until.ts"
import type { Certificate } from "../wire/certificates.ts"
import { findTool } from "./tools.ts"

export const redisServer = findTool("redis-server")

export interface RedisOptions {
  /** Arguments more, as redis-server takes them: `--requirepass`, `secret`. */
  readonly args?: ReadonlyArray<string>
  readonly password?: string
  /** It speaks TLS only. */
  readonly certificate?: Certificate
  readonly authority?: Certificate
  /** It is begun by `restart` only. */
  readonly isDown?: boolean
}

export interface RunningRedis {
  readonly port: number
  /** For `DNS_SERVER_REDIS_URL`, without TLS and password. */
  readonly url: string
  /** Sends a command over a connection of its own. */
  readonly command: (...args: ReadonlyArray<string | Buffer>) => Effect.Effect<unknown>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Kills it; what it held is gone. */
  readonly kill: Effect.Effect<void>
  /** Begins it anew at the same port, empty. */
  readonly restart: Effect.Effect<void>
}

/** Runs it on a free port until the scope closes; nothing is written to disk. */
export const startRedis = (options: RedisOptions = {}): Effect.Effect<RunningRedis, never, Scope.Scope> =>
  Effect.gen(function* () {
    const port = yield* freePort
    const directory = mkdtempSync(join(tmpdir(), "strand-test-"))
    const { certificate, authority, password } = options
    const ports =
      certificate === undefined
        ? ["--port", String(port)]
        : ["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"]
    if (certificate !== undefined && authority !== undefined) {
      for (const [name, text] of Object.entries({ cert: certificate.cert, key: certificate.key, ca: authority.cert })) {
        writeFileSync(join(directory, name), text)
      }
      ports.push("--tls-cert-file", join(directory, "cert"), "--tls-key-file", join(directory, "key"))
      ports.push("--tls-ca-cert-file", join(directory, "ca"))
    }
    const args = ["--bind", "127.0.0.1", ...ports, "--save", "", "--appendonly", "no", "--dir", directory]
    if (password !== undefined) args.push("--requirepass", password)
    args.push(...(options.args ?? []))

    let child: ChildProcess | undefined
    const command = (...words: ReadonlyArray<string | Buffer>): Effect.Effect<unknown> =>
      Effect.promise(async () => {
        const client = createClient({
          socket: {
            host: "127.0.0.1",
            port,
            reconnectStrategy: false,
            ...(authority === undefined ? {} : { tls: true, ca: authority.cert })
          },
          ...(password === undefined ? {} : { password })
        })
        client.on("error", () => {})
        await client.connect()
        try {
          return await client.sendCommand(words, { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } })
        } finally {
          client.destroy()
        }
      })
    const kill = Effect.callback<void>((resume) => {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
    })
    const awaitUp = untilSo("redis-server answers", Effect.map(Effect.exit(command("PING")), Exit.isSuccess))
    const begin = Effect.andThen(
      Effect.sync(() => {
        child = spawn(redisServer!, args, { stdio: "ignore" })
      }),
      awaitUp
    )
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        kill,
        Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
      )
    )
    if (options.isDown !== true) yield* begin
    return {
      port,
      url: `redis://127.0.0.1:${port}`,
      command,
      signal: (signal) => Effect.sync(() => void child?.kill(signal)),
      kill,
      restart: Effect.andThen(kill, begin)
    }
  })
