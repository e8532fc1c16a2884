import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { formatEndpoint } from "../../src/io/endpoint.ts"
import { findTool } from "../support/external/tools.ts"
import { configured, textOf } from "./files.ts"

const analyze = findTool("systemd-analyze")
/** Those before cannot look at a unit that is not installed. */
const FIRST_OFFLINE = 250
/** As `systemd-analyze security` counts it, in tenths: 0 is nothing, 100 everything. */
const MOST_EXPOSURE = 20

const version = (program: string): number =>
  Number(/systemd (\d+)/.exec(spawnSync(program, ["--version"], { encoding: "utf8" }).stdout)?.[1] ?? 0)

const service = textOf("deploy/systemd/strand.service")
const socket = textOf("deploy/systemd/strand.socket")
const { settings, warnings } = await configured("deploy/systemd/strand.yaml")

/** Values of a key of a unit, in their order. */
const valuesOf = (unit: string, key: string): ReadonlyArray<string> =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value]) => value!)

/** The units, with a program that is on this machine, in a folder of their own. */
const units: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "strand-test-"))
    writeFileSync(join(folder, "strand.service"), service.replace("/usr/bin/node", process.execPath))
    writeFileSync(join(folder, "strand.socket"), socket)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

describe("the units of systemd", () => {
  it.live.skipIf(analyze === undefined)("are understood, without a warning", () =>
    Effect.gen(function* () {
      const folder = yield* units
      const files = ["strand.service", "strand.socket"].map((name) => join(folder, name))
      const { status, stderr } = spawnSync(analyze!, ["verify", "--man=no", ...files], { encoding: "utf8" })
      assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(analyze === undefined || version(analyze) < FIRST_OFFLINE)(
    "leave little open to a server that is broken into",
    () =>
      Effect.gen(function* () {
        const folder = yield* units
        const args = ["security", "--offline=true", "--no-pager", `--threshold=${MOST_EXPOSURE}`]
        const { status, stdout, stderr } = spawnSync(analyze!, [...args, join(folder, "strand.service")], {
          encoding: "utf8"
        })
        assert.strictEqual(status, 0, stdout + stderr)
      }).pipe(Effect.scoped)
  )

  it("name the sockets that the configuration listens at, by UDP and TCP", () => {
    assert.deepStrictEqual(warnings, [])
    const addresses = settings.listen.map(({ endpoint }) => formatEndpoint(endpoint))
    assert.deepStrictEqual(valuesOf(socket, "ListenDatagram"), addresses)
    assert.deepStrictEqual(valuesOf(socket, "ListenStream"), addresses)
    assert.deepStrictEqual(valuesOf(socket, "BindIPv6Only"), ["ipv6-only"])
  })

  it("let the server tell how it does, and end by itself", () => {
    assert.deepStrictEqual(valuesOf(service, "Type"), ["notify"])
    assert.deepStrictEqual(valuesOf(service, "NotifyAccess"), ["main"])
    assert.match(valuesOf(service, "ExecReload")[0]!, /-HUP \$MAINPID$/)
    const seconds = Number.parseInt(valuesOf(service, "TimeoutStopSec")[0]!, 10)
    assert.isAbove(seconds, settings.shutdownTimeoutSecs + 4)
  })
})
