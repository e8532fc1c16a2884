/** A real browser, where the machine has Debian's Chromium, and what a page in it complained of. */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { Effect, type Scope } from "effect"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { findTool } from "./tools.ts"

export const chromiumPath = findTool("chromium")

/** A busy machine needs a tenth of it. */
const NEVER_MS = 120_000

export const startBrowser: Effect.Effect<Browser, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({ executablePath: chromiumPath!, args: ["--no-sandbox", "--disable-dev-shm-usage"] })
  ),
  (browser) => Effect.promise(() => browser.close())
)

export interface Opened {
  readonly page: Page
  /** Errors of scripts, and what the content security policy refused. Requests that fail are not among them. */
  readonly complaints: Array<string>
}

/** A page of its own, with nothing that others have kept, until the scope closes. */
export const openPage = (
  browser: Browser,
  options: BrowserContextOptions = {}
): Effect.Effect<Opened, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => openIn(browser, options)),
    ({ page }) => Effect.promise(() => page.context().close())
  )

const openIn = async (browser: Browser, options: BrowserContextOptions): Promise<Opened> => {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options })
  context.setDefaultTimeout(NEVER_MS)
  const page = await context.newPage()
  const complaints: Array<string> = []
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("console", (message) => {
    const isRequest = message.text().startsWith("Failed to load resource")
    if ((message.type() === "error" && !isRequest) || message.type() === "warning") complaints.push(message.text())
  })
  return { page, complaints }
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** What axe finds wrong in the page as it is: rule and element. */
export const axeFindings = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(`if (typeof axe === "undefined") { ${axe} }`)
  const { violations } = (await page.evaluate("axe.run(document)")) as {
    readonly violations: ReadonlyArray<{
      readonly id: string
      readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>
    }>
  }
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ failureSummary, html }) => `${id}: ${html}\n${failureSummary}`)
  )
}
