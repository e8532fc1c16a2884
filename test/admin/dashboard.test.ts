/** The dashboard in a real browser, before a real server: what operators see and do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { axeFindings, chromiumPath, type Opened, openPage, startBrowser } from "../support/external/browser.ts"
import { freePort } from "../support/machine/ports.ts"
import { startWithAdmin } from "../support/servers/admin.ts"
import type { Started } from "../support/servers/process.ts"
import { ask } from "../support/servers/server.ts"
import { address, type FakeUpstream, fakeUpstream, nameOf, silent, slow } from "../support/upstreams/fake-upstream.ts"

const views = ["overview", "queries", "upstreams", "cache", "explain", "settings", "server"]

/** Of all that is sent for the page, compressed. */
const MOST_OCTETS = 60 * 1024

interface Watched {
  readonly url: string
  readonly server: Started
  readonly quick: FakeUpstream
  readonly slow: FakeUpstream
}

const SLOW_MS = 260

/** Names below `slow.example` are asked of an upstream that takes its time, and those that begin with `lost` get nothing. */
const startWatched = (
  environment: Readonly<Record<string, string>> = {},
  args: ReadonlyArray<string> = []
): Effect.Effect<Watched, never, Scope.Scope> =>
  Effect.gen(function* () {
    const answering = address("192.0.2.1", 300)
    const quick = yield* fakeUpstream((query, transport, count) =>
      (nameOf(query).startsWith("lost") ? silent : answering)(query, transport, count)
    )
    const late = yield* fakeUpstream(slow(SLOW_MS, address("192.0.2.2", 300)))
    const server = yield* startWithAdmin(
      {
        DNS_SERVER_UPSTREAMS: quick.address,
        DNS_SERVER_GROUPS: `late=${late.address}`,
        DNS_SERVER_RULES: "slow.example -> late",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "2",
        ...environment
      },
      args
    )
    return { url: `${server.url}/`, server, quick, slow: late }
  })

describe("the dashboard, as it is sent", () => {
  it("is at most 60 KB compressed, all of it", () => {
    const octets = ["index.html", "dashboard.js", "dashboard.css"].map(
      (file) => readFileSync(`dist/dashboard/${file}.br`).length
    )
    assert.isAtMost(
      octets.reduce((sum, length) => sum + length, 0),
      MOST_OCTETS
    )
  })

  it.live("is compressed as the browser takes it, and not sent again to one that has it", () =>
    Effect.gen(function* () {
      const { url } = yield* startWatched()
      const fetched = (path: string, headers: Record<string, string>) =>
        Effect.promise(async () => {
          const { Agent, request } = await import("node:http")
          return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
            const sent = request(new URL(path, url), { headers, agent: new Agent() }, (response) => {
              const chunks: Array<Buffer> = []
              response.on("data", (chunk: Buffer) => chunks.push(chunk))
              response.on("end", () =>
                resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) })
              )
            })
            sent.on("error", reject)
            sent.end()
          })
        })
      for (const [path, file, type] of [
        ["/", "index.html", "text/html; charset=utf-8"],
        ["/assets/dashboard.js", "dashboard.js", "text/javascript; charset=utf-8"],
        ["/assets/dashboard.css", "dashboard.css", "text/css; charset=utf-8"]
      ] as const) {
        const text = readFileSync(`dist/dashboard/${file}`, "utf8")
        const brotli = yield* fetched(path, { "accept-encoding": "gzip, deflate, br" })
        const gzip = yield* fetched(path, { "accept-encoding": "gzip, br;q=0" })
        const plain = yield* fetched(path, {})
        assert.strictEqual(brotliDecompressSync(brotli.body).toString(), text)
        assert.strictEqual(gunzipSync(gzip.body).toString(), text)
        assert.strictEqual(plain.body.toString(), text)
        assert.strictEqual(brotli.headers["content-encoding"], "br")
        assert.strictEqual(gzip.headers["content-encoding"], "gzip")
        assert.isUndefined(plain.headers["content-encoding"])
        for (const { headers } of [brotli, gzip, plain]) {
          assert.strictEqual(headers["content-type"], type)
          assert.strictEqual(headers["cache-control"], "no-cache")
          assert.strictEqual(headers["vary"], "accept-encoding")
          assert.include(String(headers["content-security-policy"]), "default-src 'none'")
        }
        const etag = String(brotli.headers["etag"])
        assert.match(etag, /^"[\w-]{22}"$/)
        assert.notStrictEqual(etag, plain.headers["etag"])
        const again = yield* fetched(path, { "accept-encoding": "br", "if-none-match": `"other", ${etag}` })
        assert.deepStrictEqual([again.status, again.body.length], [304, 0])
      }
    })
  )
})

describe.skipIf(chromiumPath === undefined)("the dashboard in Chromium", () => {
  /** One for all tests: each has a context of its own in it. */
  let browser: Browser
  const scope = Scope.makeUnsafe()
  beforeAll(async () => {
    browser = await Effect.runPromise(Scope.provide(startBrowser, scope))
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  /** Runs a test with a page of its own; nothing that it does may break the content security policy, or throw. */
  const withPage = (
    body: (page: Page, watched: Watched, another: () => Promise<Opened>) => Promise<void>,
    environment: Readonly<Record<string, string>> = {},
    options: BrowserContextOptions = {},
    args: ReadonlyArray<string> = []
  ) =>
    Effect.gen(function* () {
      const watched = yield* startWatched(environment, args)
      const { complaints, page } = yield* openPage(browser, options)
      const ofTest = yield* Effect.scope
      const another = (): Promise<Opened> => Effect.runPromise(Scope.provide(openPage(browser), ofTest))
      yield* Effect.promise(async () => {
        await page.goto(watched.url)
        await body(page, watched, another)
        assert.deepStrictEqual(complaints, [])
      })
    })

  const asking = (watched: Watched, ...names: ReadonlyArray<string>): Promise<void> =>
    Effect.runPromise(Effect.forEach(names, (name) => ask(watched.server.port, { name }), { discard: true }))

  const goTo = async (page: Page, url: string, view: string): Promise<void> => {
    await page.goto(`${url}#/${view}`)
    await page.locator("main section").first().waitFor()
  }

  /** Views have fields of the same names: it is over when the view that was left is gone. */
  const go = async (page: Page, name: string): Promise<void> => {
    await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true }).click()
    await page.getByRole("heading", { name, exact: true, level: 1 }).waitFor()
  }

  it.live("has nothing that axe finds wrong, on each view, light and dark", () =>
    withPage(async (page, watched) => {
      await asking(watched, "www.example.com", "www.slow.example")
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme })
        for (const view of views) {
          await goTo(page, watched.url, view === "cache" ? "cache?name=www.example.com" : view)
          if (view === "overview") await page.locator(".chart canvas").first().waitFor()
          if (view === "queries") await page.locator("table.log tbody tr").first().waitFor()
          if (view === "explain") {
            await page.getByRole("textbox", { name: "Name" }).fill("www.example.com")
            await page.getByLabel("Ask upstreams too").check()
            await page.getByRole("button", { name: "Explain" }).click()
            await page.getByRole("heading", { name: "Asked" }).waitFor()
          }
          if (view === "settings") {
            await page.getByRole("button", { name: "Edit retries" }).click()
            await page.getByRole("textbox", { name: "retries" }).fill("-1")
            await page.getByRole("button", { name: "Try (dry run)" }).click()
            await page.locator(".setting .mistake").waitFor()
          }
          assert.deepStrictEqual(await axeFindings(page), [], `${view}, ${colorScheme}`)
        }
        await goTo(page, watched.url, "queries")
        await page.locator("table.log button").first().click()
        await page.locator(".waterfall").waitFor()
        assert.deepStrictEqual(await axeFindings(page), [], `waterfall, ${colorScheme}`)
        await page.keyboard.press("Escape")
      }
    })
  )

  it.live("shows a query as it comes, and those alone that a filter is for", () =>
    withPage(async (page, watched) => {
      await go(page, "Queries")
      await page.getByText("Live", { exact: true }).waitFor()
      await asking(watched, "www.example.com", "mail.example.org")
      const rows = page.locator("table.log tbody tr")
      await rows.filter({ hasText: "www.example.com" }).first().waitFor()
      await rows.filter({ hasText: "mail.example.org" }).first().waitFor()
      await page.getByLabel("At or below").fill("example.org")
      await rows.filter({ hasText: "www.example.com" }).first().waitFor({ state: "detached" })
      await rows.filter({ hasText: "mail.example.org" }).waitFor()
      assert.strictEqual(await rows.count(), 1)
      // Those that come later are filtered too.
      await asking(watched, "www.example.com", "new.example.org")
      await rows.filter({ hasText: "new.example.org" }).waitFor()
      assert.strictEqual(await rows.count(), 2)
      await page.getByLabel("Client or network").fill("not a network")
      await page.getByRole("alert").filter({ hasText: "client:" }).waitFor()
      await page.getByRole("button", { name: "Clear filters" }).click()
      await rows.filter({ hasText: "www.example.com" }).first().waitFor()
    })
  )

  it.live("leads from an upstream to the queries that asked it", () =>
    withPage(async (page, watched) => {
      await asking(watched, "www.example.com", "nothing.home.arpa")
      await goTo(page, watched.url, "upstreams")
      await page.getByRole("link", { name: "Queries that asked" }).first().click()
      await page.locator("table.log tbody tr").filter({ hasText: "www.example.com" }).first().waitFor()
      assert.isAbove((await page.getByLabel("Upstream", { exact: true }).inputValue()).length, 0)
      assert.strictEqual(await page.locator("table.log tbody tr").filter({ hasText: "home.arpa" }).count(), 0)
    })
  )

  it.live("holds still while it is paused, and says how many came meanwhile", () =>
    withPage(async (page, watched) => {
      await go(page, "Queries")
      await page.getByText("Live", { exact: true }).waitFor()
      await page.getByRole("button", { name: "Pause" }).click()
      await asking(watched, "www.example.com")
      await page.getByText("Paused: 1 new").waitFor()
      assert.strictEqual(await page.locator("table.log tbody tr").count(), 0)
      await page.getByRole("button", { name: "Pause" }).click()
      await page.locator("table.log tbody tr").filter({ hasText: "www.example.com" }).waitFor()
    })
  )

  it.live("says why a name is slow: where its time went, and how the upstream does beside others", () =>
    withPage(async (page, watched) => {
      await asking(watched, "www.example.com", "mail.example.com", "www.slow.example")
      await go(page, "Queries")
      await page.getByRole("button", { name: "Slowest" }).click()
      const took = async (): Promise<ReadonlyArray<number>> =>
        (await page.locator("table.log tbody td.took").allInnerTexts()).map((text) =>
          Number(text.replaceAll(/[^\d.]/g, ""))
        )
      const isSlowestFirst = (times: ReadonlyArray<number>): boolean =>
        times.length >= 3 && times.every((time, i) => i === 0 || time <= times[i - 1]!)
      while (!isSlowestFirst(await took())) await page.waitForTimeout(50)
      // On a busy machine another may have taken longer.
      await page.locator("table.log tbody tr").filter({ hasText: "www.slow.example" }).locator("button").first().click()
      const verdict = page.getByRole("dialog").locator(".verdict")
      await verdict.filter({ hasText: "On average" }).waitFor()
      const text = await verdict.innerText()
      assert.match(text, /^\d{3,} ms of \d{3,} ms \(\d+(\.\d)? %\) went into attempt 1: udp:\/\/127\.0\.0\.1:\d+ /)
      assert.include(text, `On average udp://${watched.slow.address} takes`)
      const attempt = page.locator(".waterfall tr").filter({ hasText: "attempt 1" })
      assert.include(await attempt.innerText(), `udp://${watched.slow.address} udp answered NOERROR`)
      await page.getByRole("link", { name: "Explain it" }).click()
      await page.getByText("a rule sends it to the group late").waitFor()
    })
  )

  it.live("keeps what failed among the notable queries, with the attempts that got no answer", () =>
    withPage(async (page, watched) => {
      await asking(watched, "lost.example.com")
      await go(page, "Queries")
      await page.getByRole("button", { name: "Notable" }).click()
      await page.locator("table.log tbody tr").filter({ hasText: "lost.example.com" }).locator("button").click()
      await page.getByRole("dialog").getByText("No attempt was answered").waitFor()
      assert.isAbove(await page.locator(".waterfall tr.is-failed").count(), 1)
    })
  )

  it.live("changes a setting after a dry run, rolls it back, and gives one back", () =>
    withPage(async (page) => {
      await go(page, "Settings")
      await page.getByLabel("Search").fill("retries")
      const row = page.locator(".setting").filter({ has: page.getByRole("heading", { name: "retries", exact: true }) })
      const value = row.locator(".setting-value")
      const before = await value.innerText()
      await row.getByRole("button", { name: "Edit retries" }).click()
      await row.getByRole("textbox").fill("1")
      await page.getByRole("button", { name: "Try (dry run)" }).click()
      await page.getByText("This would change, and touch").waitFor()
      assert.strictEqual(await value.innerText(), before)
      await page.getByRole("button", { name: "Apply" }).click()
      await page.getByRole("status").getByText("1 setting changed").waitFor()
      await value.getByText("1", { exact: true }).waitFor()
      await row.getByText("changed here").waitFor()

      await row.getByRole("button", { name: "Edit retries" }).click()
      await row.getByRole("textbox").fill("0")
      await page.getByRole("button", { name: "Apply" }).click()
      await value.getByText("0", { exact: true }).waitFor()
      await page.getByRole("button", { name: "Roll back to" }).first().click()
      await page.getByRole("dialog").getByRole("button", { name: "Roll back", exact: true }).click()
      await page.getByRole("status").getByText("Rolled back").waitFor()
      await value.getByText("1", { exact: true }).waitFor()

      await row.getByRole("button", { name: "Give back retries" }).click()
      await page.getByRole("button", { name: "Apply" }).click()
      await value.getByText(before, { exact: true }).waitFor()
      await row.getByText("default", { exact: true }).waitFor()
    })
  )

  it.live("saves to the file what was changed, and says where there is none", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-dashboard-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const file = join(folder, "strand.yaml")
      writeFileSync(file, "retries: 2 # not too many\n")
      const change = async (page: Page): Promise<void> => {
        await go(page, "Settings")
        await page.getByRole("button", { name: "Edit retries" }).click()
        await page.getByRole("textbox", { name: "retries" }).fill("1")
        await page.getByRole("button", { name: "Apply" }).click()
        await page.getByRole("status").getByText("1 setting changed").waitFor()
      }
      yield* withPage(
        async (page) => {
          await change(page)
          await page.getByRole("button", { name: "Save changes to the file" }).click()
          await page.getByRole("status").getByText("1 setting saved to").waitFor()
          assert.strictEqual(readFileSync(file, "utf8"), "retries: 1 # not too many\n")
        },
        {},
        {},
        ["--config", file]
      )
      yield* withPage(async (page) => {
        await change(page)
        await page.getByText("Started without a file").waitFor()
      })
    })
  )

  it.live("shows each mistake at its setting, and changes nothing", () =>
    withPage(async (page, { url }) => {
      await go(page, "Settings")
      for (const name of ["retries", "cache_max_ttl_secs"]) {
        await page.getByRole("button", { name: `Edit ${name}` }).click()
        await page.getByRole("textbox", { name }).fill("many")
      }
      await page.getByRole("button", { name: "Apply" }).click()
      await page.getByText("2 mistakes").waitFor()
      for (const name of ["retries", "cache_max_ttl_secs"]) {
        const row = page.locator(".setting").filter({ has: page.getByRole("heading", { name, exact: true }) })
        assert.match(await row.locator(".mistake").innerText(), /^many is wrong: expected /)
        assert.strictEqual(await page.getByRole("textbox", { name }).getAttribute("aria-invalid"), "true")
      }
      const { generation } = (await (await fetch(`${url}api/v1/config`)).json()) as { readonly generation: number }
      assert.strictEqual(generation, 0)
    })
  )

  it.live("says that another has changed settings meanwhile, and loads them anew", () =>
    withPage(async (page, { url }) => {
      await go(page, "Settings")
      await page.getByRole("button", { name: "Edit retries" }).click()
      await page.getByRole("textbox", { name: "retries" }).fill("1")
      // The page learns of it once a second; this one does not.
      await page.route("**/api/v1/status", (route) => route.abort())
      await fetch(`${url}api/v1/config`, {
        method: "PATCH",
        body: '{"cache_prefetch":false}',
        headers: { "content-type": "application/json" }
      })
      await page.getByRole("button", { name: "Apply" }).click()
      await page.getByRole("status").getByText("Somebody else has changed settings").waitFor()
      await page.getByRole("button", { name: "Apply" }).click()
      await page.getByRole("status").getByText("1 setting changed").waitFor()
    })
  )

  it.live("drains an upstream, uses it again, and probes it", () =>
    withPage(async (page, { quick }) => {
      const id = `udp://${quick.address}`
      await go(page, "Upstreams")
      const card = page.locator(".upstream").filter({ hasText: id })
      await card.getByRole("button", { name: `Drain ${id}` }).click()
      await card.getByText("drained", { exact: true }).waitFor()
      await card.getByRole("button", { name: `Enable ${id}` }).click()
      await card.getByText("healthy", { exact: true }).waitFor()
      await card.getByRole("button", { name: `Probe ${id}` }).click()
      await card.getByText(/^answered NOERROR in /).waitFor()
    })
  )

  it.live("shows what is kept for a name, forgets it, and forgets everything only when asked twice", () =>
    withPage(async (page, watched) => {
      await asking(watched, "www.example.com", "mail.example.com")
      await go(page, "Cache")
      await page.getByRole("textbox", { name: "Name" }).fill("www.example.com")
      const kept = page.locator(".kept").getByText("192.0.2.1")
      // One that another is being stored beside may not be found in that moment.
      do {
        await page.getByRole("button", { name: "Look up" }).click()
        await page.waitForTimeout(200)
      } while (!(await kept.isVisible()))
      await page.getByRole("button", { name: "Forget it", exact: true }).click()
      await page.getByRole("status").getByText("1 answer forgotten").waitFor()
      await page.getByText("the next query for it asks an upstream").waitFor()
      await page.getByRole("button", { name: "Forget everything …" }).click()
      await page.getByRole("dialog").getByRole("button", { name: "Forget everything" }).click()
      await page.locator(".figure").filter({ hasText: "Answers kept" }).getByText("0", { exact: true }).waitFor()
    })
  )

  it.live("leaves what is typed where it is, however often the page is drawn anew meanwhile", () =>
    withPage(async (page, watched) => {
      const typed = "typed.example.com"
      for (const [view, polled] of [
        ["Cache", "/api/v1/cache"],
        ["Explain", undefined],
        ["Queries", undefined]
      ] as const) {
        await go(page, view)
        const field = page.getByRole("textbox", { name: view === "Queries" ? "At or below" : "Name", exact: true })
        await field.pressSequentially(typed)
        if (polled !== undefined) {
          for (let i = 0; i < 2; i++) await page.waitForResponse((response) => response.url().includes(polled))
        }
        await asking(watched, "another.example.com")
        await page.waitForTimeout(100)
        assert.strictEqual(await field.inputValue(), typed, view)
      }
    })
  )

  it.live("asks for the token, says when it is wrong, and keeps it for this tab alone", () =>
    withPage(
      async (page, { url }, another) => {
        const field = page.getByRole("textbox", { name: "Token" })
        for (const wrong of ["not-the-token-at-all", "nor-is-this-the-token", "the-token-of-another-test"]) {
          await field.fill(wrong)
          const refused = page.waitForResponse((response) => response.status() === 401)
          await page.getByRole("button", { name: "Go on" }).click()
          await refused
          await page.getByText("That token is not the right one.").waitFor()
        }
        await field.fill("the-token-of-this-test")
        await page.getByRole("button", { name: "Go on" }).click()
        await page.getByText("Queries a second").waitFor()
        await page.reload()
        await page.getByText("Queries a second").waitFor()
        await go(page, "Queries")
        await page.getByText("Live", { exact: true }).waitFor()
        const other = await another()
        await other.page.goto(url)
        await other.page.getByRole("textbox", { name: "Token" }).waitFor()
        // One that may only read sees everything, and is told that it may not change it.
        await other.page.getByRole("textbox", { name: "Token" }).fill("a-token-for-reading")
        await other.page.getByRole("button", { name: "Go on" }).click()
        await go(other.page, "Upstreams")
        await other.page.getByRole("button", { name: "Drain" }).first().click()
        await other.page.getByRole("status").getByText("this token may read only").waitFor()
      },
      { DNS_SERVER_ADMIN_TOKEN: "the-token-of-this-test", DNS_SERVER_ADMIN_READ_TOKEN: "a-token-for-reading" }
    )
  )

  it.live("fits a phone of 360 pixels: nothing but tables scrolls sideways", () =>
    withPage(
      async (page, watched) => {
        await asking(
          watched,
          "www.example.com",
          "a-rather-long-name-for-a-host.in-a-department.of-a-company.slow.example"
        )
        for (const view of views) {
          await goTo(page, watched.url, view === "cache" ? "cache?name=www.example.com" : view)
          if (view === "queries") {
            await page.locator("table.log button").first().click()
            await page.locator(".waterfall").waitFor()
            const inside = (await page.evaluate("document.querySelector('dialog').scrollWidth")) as number
            assert.isAtMost(inside, 360, "the waterfall")
          }
          const width = (await page.evaluate("document.documentElement.scrollWidth")) as number
          assert.isAtMost(width, 360, view)
          const findOutside = `[...document.querySelectorAll(":is(.panel, .dialog) *")]
            .filter((element) => !element.closest(".wide, .hidden, .u-hz, thead"))
            .filter((element) => element.getBoundingClientRect().right > element.closest(".panel, .dialog").getBoundingClientRect().right)
            .map((element) => element.outerHTML.slice(0, 120))`
          // Charts take their width from their panel, a moment after it has its own.
          let outside = await page.evaluate(findOutside)
          for (let look = 0; look < 100 && (outside as ReadonlyArray<string>).length > 0; look++) {
            await page.waitForTimeout(100)
            outside = await page.evaluate(findOutside)
          }
          assert.strictEqual((outside as ReadonlyArray<string>).join("\n"), "", view)
        }
      },
      {},
      { viewport: { width: 360, height: 740 } }
    )
  )

  it.live("is dark where the system is, and light where somebody chose that", () =>
    withPage(
      async (page) => {
        const ground = (): Promise<unknown> => page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert.strictEqual(await ground(), "rgb(15, 19, 23)")
        await page.getByRole("button", { name: "Light" }).click()
        assert.strictEqual(await ground(), "rgb(244, 246, 248)")
        await page.reload()
        await page.getByRole("button", { name: "Dark" }).waitFor()
        assert.strictEqual(await ground(), "rgb(244, 246, 248)")
      },
      {},
      { colorScheme: "dark" }
    )
  )

  it.live("is whole by keyboard: to a view, to a query's waterfall, and back to where one was", () =>
    withPage(async (page, watched) => {
      await asking(watched, "www.example.com")
      const focused = async (): Promise<string> =>
        String(await page.evaluate("document.activeElement.innerText || document.activeElement.name || ''")).trim()
      const tabTo = async (text: string): Promise<void> => {
        for (let presses = 0; presses < 60; presses++) {
          await page.keyboard.press("Tab")
          if ((await focused()) === text) return
        }
        assert.fail(`the focus does not come to ${text}`)
      }
      await page.getByText("Queries a second").waitFor()
      await page.keyboard.press("Tab")
      assert.strictEqual(await focused(), "To the content")
      await tabTo("Queries")
      await page.keyboard.press("Enter")
      await page.locator("table.log tbody tr").first().waitFor()
      assert.strictEqual(await page.title(), "Queries – Strand")
      await tabTo("www.example.com")
      await page.keyboard.press("Enter")
      await page.getByRole("dialog").locator(".waterfall").waitFor()
      await page.keyboard.press("Escape")
      await page.getByRole("dialog").waitFor({ state: "detached" })
      assert.strictEqual(await focused(), "www.example.com")
      // Who opens it again while it closes sees it.
      await page.keyboard.press("Enter")
      await page.getByRole("dialog").locator(".waterfall").waitFor()
      const openAgain = "() => queueMicrotask(() => document.querySelector('table.log button').click())"
      await page.evaluate(`document.querySelector("dialog").addEventListener("cancel", ${openAgain}, { once: true })`)
      await page.keyboard.press("Escape")
      await page.evaluate("new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 20)))")
      assert.strictEqual(await page.getByRole("dialog").locator(".waterfall").count(), 1)
      await page.keyboard.press("Escape")
      await page.getByRole("dialog").waitFor({ state: "detached" })
      assert.strictEqual(await focused(), "www.example.com")
      // Who goes elsewhere while the dialog closes is not taken back.
      await page.keyboard.press("Enter")
      await page.getByRole("dialog").locator(".waterfall").waitFor()
      const leave = "() => { location.hash = '#/overview' }"
      await page.evaluate(`document.addEventListener("cancel", ${leave}, { capture: true, once: true })`)
      await page.keyboard.press("Escape")
      await page.getByText("Queries a second").waitFor()
      assert.strictEqual(await page.evaluate("location.hash"), "#/overview")
    })
  )

  it.live("says that the server is gone, and goes on when it is back", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const environment = { DNS_SERVER_ADMIN: `127.0.0.1:${port}` }
      const { page } = yield* openPage(browser)
      const { server, url } = yield* startWatched(environment)
      yield* Effect.promise(async () => {
        await page.goto(`${url}#/queries`)
        await page.getByText("Live", { exact: true }).waitFor()
        server.child.kill("SIGKILL")
        await page.getByRole("alert").filter({ hasText: "The server does not answer" }).waitFor()
        await page.getByText("Not connected").waitFor()
      })
      const again = yield* startWatched(environment)
      yield* Effect.promise(async () => {
        await page.getByRole("alert").waitFor({ state: "detached" })
        await page.getByText("Live", { exact: true }).waitFor()
        await asking(again, "back.example.com")
        await page.locator("table.log tbody tr").filter({ hasText: "back.example.com" }).waitFor()
      })
    })
  )

  it.live("drains the server after a question, and shows that it does", () =>
    withPage(async (page, { server }) => {
      await go(page, "Server")
      await page.getByRole("button", { name: "Drain the server …" }).click()
      const dialog = page.getByRole("dialog")
      await dialog.getByRole("button", { name: "Cancel" }).click()
      await dialog.waitFor({ state: "detached" })
      await page.getByRole("button", { name: "Drain the server …" }).click()
      await dialog.getByLabel("Seconds").fill("2")
      await dialog.getByRole("button", { name: "Drain and end" }).click()
      await page.getByText("draining", { exact: true }).waitFor()
      assert.strictEqual(await server.exit, 0)
    })
  )
})
