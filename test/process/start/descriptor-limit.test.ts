import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { descriptorLimit, descriptorsOpen, fitToDescriptors } from "../../../src/process/start/descriptor-limit.ts"
import { loadedOf } from "../../support/servers/settings.ts"

const small = { DNS_SERVER_WORKERS: "1", DNS_SERVER_MAX_TCP_CONNECTIONS: "1000", DNS_SERVER_LISTEN: "127.0.0.1:0" }
const OPEN = 20

describe("the limit on descriptors", () => {
  it("changes nothing, and is not spoken of, where it is enough or not known", () => {
    const loaded = loadedOf(small)
    for (const limit of [undefined, Number.POSITIVE_INFINITY, 1_048_576, 2_000]) {
      assert.strictEqual(fitToDescriptors(loaded, limit, OPEN), loaded)
    }
  })

  it("is warned of where it is not: what is needed, what there is, the settings, and what to do", () => {
    const { warnings } = fitToDescriptors(loadedOf(small), 1_024, OPEN)
    assert.strictEqual(warnings.length, 1)
    for (const word of [
      "max_tcp_connections: 1000",
      "may open 1024",
      "ulimit -n",
      "LimitNOFILE=",
      "actor_pool_size: 20"
    ]) {
      assert.include(warnings[0], word)
    }
  })

  it("takes connections of clients first: there are as many fewer as there are descriptors missing", () => {
    const { settings, given } = fitToDescriptors(loadedOf(small), 1_024, OPEN)
    assert.isBelow(settings.maxTcpConnections, 1_000)
    assert.isAbove(settings.maxTcpConnections, 800)
    assert.strictEqual(settings.actorPoolSize, 20)
    assert.strictEqual(given.get("maxTcpConnections")!.value, String(settings.maxTcpConnections))
    const enough = Number(/ulimit -n (\d+)/.exec(fitToDescriptors(loadedOf(small), 1_024, OPEN).warnings[0]!)?.[1])
    assert.deepStrictEqual(fitToDescriptors(loadedOf(small), enough, OPEN).warnings, [])
    assert.strictEqual(fitToDescriptors(loadedOf(small), enough, OPEN).settings.maxTcpConnections, 1_000)
    assert.strictEqual(fitToDescriptors(loadedOf(small), enough - 1, OPEN).settings.maxTcpConnections, 999)
  })

  it("takes resolvers too where that is not enough, and leaves what a server cannot do without", () => {
    for (const workers of ["1", "2", "8"]) {
      for (const limit of [0, 16, 64, 128, 256]) {
        const loaded = loadedOf({ ...small, DNS_SERVER_WORKERS: workers })
        const { settings } = fitToDescriptors(loaded, limit, OPEN)
        assert.isAtLeast(settings.maxTcpConnections, settings.workers)
        assert.isAtLeast(settings.actorPoolSize, settings.workers)
        assert.isAtMost(settings.actorPoolSize, 20)
      }
    }
    const at = (limit: number): ReadonlyArray<number> => {
      const { settings } = fitToDescriptors(loadedOf(small), limit, OPEN)
      return [settings.maxTcpConnections, settings.actorPoolSize]
    }
    assert.isBelow(at(64)[1]!, 20)
    assert.isBelow(at(64)[0]! + at(64)[1]! * 2, 64 - OPEN)
  })

  it("takes threads at last, so that each that is left can ask every upstream", () => {
    const kept = (limit: number, workers: number, upstreams: number): number => {
      const written = {
        ...small,
        DNS_SERVER_WORKERS: String(workers),
        DNS_SERVER_UPSTREAMS: Array.from({ length: upstreams }, (_, i) => `192.0.2.${i + 1}`).join()
      }
      const { given, settings, warnings } = fitToDescriptors(loadedOf(written), limit, OPEN)
      assert.strictEqual(given.get("workers")!.value, String(settings.workers))
      if (settings.workers < workers) assert.include(warnings.at(-1), `workers: ${settings.workers}`)
      return settings.workers
    }
    assert.deepStrictEqual([kept(64, 2, 1), kept(64, 2, 5), kept(100, 2, 5), kept(128, 2, 5)], [1, 1, 2, 2])
    assert.deepStrictEqual([kept(64, 8, 1), kept(256, 8, 1), kept(1_024, 8, 1)], [1, 8, 8])
    assert.strictEqual(kept(0, 16, 9), 1)
  })

  it("counts every upstream of every group, and every thread", () => {
    const needed = (settings: Record<string, string>): number => {
      const { warnings } = fitToDescriptors(loadedOf({ ...small, ...settings }), 64, OPEN)
      return Number(/^(\d+) file/.exec(warnings.at(-1)!)?.[1])
    }
    const one = needed({})
    assert.isAbove(needed({ DNS_SERVER_UPSTREAMS: "192.0.2.1,192.0.2.2" }), one + 40)
    assert.isAbove(needed({ DNS_SERVER_GROUPS: "near=192.0.2.1 192.0.2.2" }), one + 80)
    assert.isAbove(needed({ DNS_SERVER_WORKERS: "2" }), one)
    assert.strictEqual(needed({ DNS_SERVER_MAX_TCP_CONNECTIONS: "1500" }), one + 500)
  })

  it.live.runIf(process.platform === "linux")("is read as the kernel has it", () =>
    Effect.gen(function* () {
      assert.isAbove(descriptorLimit()!, 0)
      assert.isAtLeast(descriptorsOpen(), 3)
      assert.isAtMost(Math.abs(descriptorsOpen() - readdirSync("/proc/self/fd").length), 5)
      const file = new URL("../../../src/process/start/descriptor-limit.ts", import.meta.url).href
      const script = `import { descriptorLimit } from ${JSON.stringify(file)}; console.log(descriptorLimit())`
      const output = yield* Effect.callback<string>((resume) => {
        const child = spawn("sh", [
          "-c",
          'ulimit -n 77 && exec "$0" --input-type=module -e "$1"',
          process.execPath,
          script
        ])
        let text = ""
        child.stdout.on("data", (chunk) => {
          text += chunk
        })
        child.on("close", () => resume(Effect.succeed(text)))
      })
      assert.strictEqual(output.trim(), "77")
    })
  )
})
