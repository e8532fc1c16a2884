import { assert, describe, it } from "@effect/vitest"
import { fileKey, settingNames } from "../../src/config/schema/settings.ts"
import { textOf } from "./files.ts"

const settings = new Set(settingNames.map(fileKey))
const chapter = textOf("docs/operations.md").split("# Moving here from another server")[1]!

/** The rows of all tables of the chapter: what it is called there, what here, and what is to be said. */
const rows = [...chapter.matchAll(/^\| (.*) \|$/gm)]
  .map(([, row]) => row!.split(/(?<!\\)\|/).map((cell) => cell.trim()))
  .filter(([first]) => first !== "---" && first?.startsWith("`"))

const quotedIn = (text: string): ReadonlyArray<string> => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!)

describe("the tables for those who move here", () => {
  it("are for four servers, each with many settings", () => {
    for (const name of ["Unbound", "dnsmasq", "CoreDNS", "AdGuard Home"]) assert.include(chapter, `## From ${name}`)
    assert.isAbove(rows.length, 80)
  })

  it("name settings that there are", () => {
    for (const [theirs = "", ours = ""] of rows) {
      for (const name of quotedIn(ours)) assert.isTrue(settings.has(name), `${theirs}: ${name}`)
    }
  })

  it("say of each what becomes of it", () => {
    for (const [theirs, ours, words] of rows) assert.isNotEmpty(`${ours}${words}`, theirs)
  })
})
