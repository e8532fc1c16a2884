import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { followSystemResolvers, parseResolvConf, systemResolvers } from "../../src/config/sources/resolv-conf.ts"
import { fileWith } from "../support/machine/files.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("resolv.conf", () => {
  it("names servers, by address, scope and port", () => {
    const { addresses, unreadable } = parseResolvConf(
      [
        "# nameserver 192.0.2.1",
        "; nameserver 192.0.2.2",
        "domain example",
        "search a.example b.example",
        "nameserver 192.0.2.53",
        "nameserver\tfe80::1%eth0",
        "  nameserver 127.0.0.53 # systemd-resolved",
        "nameserver 127.0.0.1:5353",
        "nameserver [2001:DB8:0::1]:53",
        "nameserver [fe80::2%en0]:5353",
        "nameserver 192.0.2.53",
        "nameserver ::ffff:192.0.2.9",
        "nameserver 0.0.0.0\r",
        "options edns0 trust-ad",
        "nameserverx 192.0.2.3",
        "nameserver",
        "nameserver dns.example",
        "nameserver 192.0.2.300"
      ].join("\n")
    )
    assert.deepStrictEqual(addresses, [
      "192.0.2.53",
      "fe80::1%eth0",
      "127.0.0.53",
      "127.0.0.1:5353",
      "2001:db8::1",
      "[fe80::2%en0]:5353",
      "192.0.2.9",
      "127.0.0.1"
    ])
    assert.deepStrictEqual(unreadable, ["dns.example", "192.0.2.300"])
  })

  it("with thousands of servers names a few", () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => `nameserver 10.0.${i >> 8}.${i & 255}`)
    assert.strictEqual(parseResolvConf(lines.join("\n")).addresses.length, 16)
  })

  it.effect("is read from its path; one that is not there, is no file or names nobody names nobody", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("nameserver fe80::53%lo\n")
      assert.deepStrictEqual((yield* systemResolvers(file)).addresses, ["fe80::53%lo"])
      for (const path of [`${file}.gone`, "/dev/zero", "/", yield* fileWith("search example\n")]) {
        assert.deepStrictEqual((yield* systemResolvers(path)).addresses, [])
      }
    })
  )
})

describe("following resolv.conf", () => {
  /** Follows a file behind a link; the changes that are told, one after the other. */
  const following = Effect.gen(function* () {
    const path = yield* folder
    const [file, link] = [join(path, "real"), join(path, "resolv.conf")]
    writeFileSync(file, "nameserver 192.0.2.1\n")
    symlinkSync(file, link)
    const changes = yield* Queue.unbounded<ReadonlyArray<string>>()
    yield* Effect.forkScoped(
      followSystemResolvers({
        known: ["192.0.2.1"],
        onChange: (addresses) => Queue.offer(changes, addresses),
        path: link,
        everyMs: 5
      })
    )
    return { path, file, link, next: Queue.take(changes), told: () => Queue.size(changes) }
  })

  it.live("tells of a file that is written over, renamed into place, or linked to another", () =>
    Effect.gen(function* () {
      const { path, file, link, next, told } = yield* following
      writeFileSync(file, "nameserver 192.0.2.2\nnameserver fe80::1%eth0\n")
      assert.deepStrictEqual(yield* next, ["192.0.2.2", "fe80::1%eth0"])
      const other = join(path, "other")
      writeFileSync(other, "nameserver 192.0.2.3\n")
      renameSync(other, file)
      assert.deepStrictEqual(yield* next, ["192.0.2.3"])
      writeFileSync(other, "nameserver 192.0.2.4\n")
      symlinkSync(other, join(path, "link"))
      renameSync(join(path, "link"), link)
      assert.deepStrictEqual(yield* next, ["192.0.2.4"])
      assert.strictEqual(yield* told(), 0)
    })
  )

  it.live("keeps what it knows while the file is gone, names nobody or says the same in other words", () =>
    Effect.gen(function* () {
      const { file, next, told } = yield* following
      for (const change of [
        () => writeFileSync(file, ""),
        () => writeFileSync(file, "search example\n# none\n"),
        () => unlinkSync(file),
        () => writeFileSync(file, "# the same\nnameserver   192.0.2.1\nnameserver 192.0.2.1\n")
      ]) {
        change()
        // Looks enough to tell, were there anything to tell.
        yield* Effect.sleep(60)
      }
      assert.strictEqual(yield* told(), 0)
      writeFileSync(file, "nameserver 192.0.2.9\n")
      assert.deepStrictEqual(yield* next, ["192.0.2.9"])
    })
  )
})
