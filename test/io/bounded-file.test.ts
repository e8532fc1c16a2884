import { execFileSync } from "node:child_process"
import { closeSync, constants, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Bounds, readBounded, readEnd } from "../../src/io/bounded-file.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)
/** A named pipe that nobody has opened yet. */
const pipe = Effect.map(folder, (path) => {
  const file = join(path, "pipe")
  execFileSync("mkfifo", [file])
  return file
})

/** One turn of the event loop. */
const clock = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const bounds: Bounds = { maxOctets: 100_000, withinMs: 60_000 }
const soon: Bounds = { maxOctets: 100_000, withinMs: 50 }

const whyNot = (path: string, limits: Bounds) =>
  Effect.map(Effect.flip(readBounded(path, limits)), ({ reason }) => reason)

describe("a file that is read within bounds", () => {
  it.effect("is read whole, up to the last octet that is allowed", () =>
    Effect.gen(function* () {
      const path = yield* folder
      for (const size of [0, 1, 65_535, 65_536, 65_537, 100_000]) {
        const octets = Buffer.alloc(size, "x")
        writeFileSync(join(path, "file"), octets)
        symlinkSync(join(path, "file"), join(path, `link${size}`))
        assert.isTrue((yield* readBounded(join(path, `link${size}`), bounds)).equals(octets))
      }
      writeFileSync(join(path, "file"), Buffer.alloc(100_001))
      assert.strictEqual(yield* whyNot(join(path, "file"), bounds), `it has more than ${100_000 / 1024} KiB`)
    })
  )

  it.effect("of the kernel's, which says no size, is read whole as well", () =>
    Effect.gen(function* () {
      assert.include((yield* readBounded("/proc/self/status", bounds)).toString(), "VmRSS")
      assert.strictEqual((yield* readBounded("/dev/null", bounds)).length, 0)
    })
  )

  it.effect("ends at the limit where it has no end itself, and is refused where only a file will do", () =>
    Effect.gen(function* () {
      assert.include(yield* whyNot("/dev/zero", bounds), "it has more than")
      for (const path of ["/dev/zero", yield* pipe]) {
        assert.include(yield* whyNot(path, { ...bounds, onlyFiles: true }), "no regular file")
        assert.include((yield* Effect.flip(readEnd(path, 100, 60_000))).reason, "no regular file")
      }
    })
  )

  it.effect("that is none says so", () =>
    Effect.gen(function* () {
      const path = yield* folder
      assert.strictEqual(yield* whyNot(path, bounds), "it is a folder")
      assert.include(yield* whyNot(join(path, "nothing"), bounds), "ENOENT")
    })
  )
})

describe("a pipe", () => {
  it.effect("that nobody writes to costs its time, and no thread: files are read beside many of them", () =>
    Effect.gen(function* () {
      const path = yield* pipe
      const many = Array.from({ length: 16 }, () => whyNot(path, soon))
      const beside = readBounded("/proc/self/status", bounds)
      const [reasons, octets] = yield* Effect.all([Effect.all(many, { concurrency: "unbounded" }), beside], {
        concurrency: "unbounded"
      })
      for (const reason of reasons) assert.include(reason, "came within 0.05 s")
      assert.isAbove(octets.length, 0)
    })
  )

  it.effect("is read to its end, piece by piece, from whenever its writer comes", () =>
    Effect.gen(function* () {
      const path = yield* pipe
      // Can be opened so only when somebody has it open for reading.
      const opened = Effect.try(() => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)).pipe(
        Effect.tapError(() => clock),
        Effect.eventually
      )
      const write = Effect.gen(function* () {
        const fd = yield* opened
        for (const piece of ["retries: 1\n", "x".repeat(50_000), "\n"]) {
          yield* clock
          writeSync(fd, piece)
        }
        closeSync(fd)
      })
      const [octets] = yield* Effect.all([readBounded(path, bounds), write], { concurrency: "unbounded" })
      const { length } = octets
      assert.strictEqual(length, 50_012)
    })
  )

  it.effect("whose writer never ends is given up", () =>
    Effect.gen(function* () {
      const path = yield* pipe
      const fd = yield* Effect.acquireRelease(
        Effect.sync(() => openSync(path, "r+")),
        (open) => Effect.sync(() => closeSync(open))
      )
      writeSync(fd, "retries: 1\n")
      assert.match(yield* whyNot(path, soon), /came within 0.05 s/)
    })
  )
})
