/**
 * Starts the server once, with each part that is loaded when it is configured, and ends it when it answers: the code that
 * V8 has compiled for that is kept in `dist/.compiled`.
 */
import { spawn, spawnSync } from "node:child_process"

const [, , program, config, address = "127.0.0.1:1053"] = process.argv
const TRIES = 100
const PAUSE_MS = 100
const admin = process.env["DNS_SERVER_ADMIN"] ?? "127.0.0.1:8053"
/** What is loaded behind the admin side, as telemetry, has so long. */
const REST_MS = 2_000

const server = spawn(process.execPath, [program, "--config", config], {
  stdio: "inherit",
  env: {
    ...process.env,
    DNS_SERVER_LISTEN: address,
    DNS_SERVER_ADMIN: admin,
    DNS_SERVER_WORKERS: "2",
    // Fails where koffi cannot be loaded.
    DNS_SERVER_DATAGRAMS: "batched",
    // Nobody is asked there, and nobody listens.
    DNS_SERVER_UPSTREAMS: "127.0.0.1:1, tls://127.0.0.1:1#localhost, https://127.0.0.1:1/dns-query",
    DNS_SERVER_REDIS_URL: "redis://127.0.0.1:1",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1"
  }
})
const ended = new Promise((resolve) => server.once("exit", resolve))

const healthcheck = new URL("healthcheck.mjs", import.meta.url).pathname
const isAnswering = () => spawnSync(process.execPath, [healthcheck, address]).status === 0
/** It is loaded behind the first answers. */
const hasAdmin = () =>
  fetch(`http://${admin}/healthz`).then(
    ({ ok }) => ok,
    () => false
  )

let isUp = false
for (let i = 0; i < TRIES && !isUp && server.exitCode === null; i++) {
  isUp = isAnswering() && (await hasAdmin())
  await new Promise((resolve) => setTimeout(resolve, isUp ? REST_MS : PAUSE_MS))
}
server.kill("SIGTERM")
process.exitCode = isUp && (await ended) === 0 ? 0 : 1
