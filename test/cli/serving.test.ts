import { assert, describe, it } from "@effect/vitest"
import { readServing } from "../../src/cli/serving.ts"

describe("the way in", () => {
  it("serves, with a file or without, under both names", () => {
    for (const [args, file] of [
      [[], undefined],
      [["serve"], undefined],
      [["-c", "strand.yaml"], "strand.yaml"],
      [["--config", "a.yaml"], "a.yaml"],
      [["--config=a.yaml"], "a.yaml"],
      [["-c=a.yaml", "serve"], "a.yaml"],
      [["serve", "--config", "serve"], "serve"],
      [["--config=a=b.yaml"], "a=b.yaml"]
    ] as const) {
      assert.deepStrictEqual(readServing(args), { file }, args.join(" "))
    }
  })

  it("leaves other commands, and what is written wrong, to the command line", () => {
    for (const args of [
      ["check"],
      ["--check"],
      ["serve", "serve"],
      ["serve", "check"],
      ["--help"],
      ["-h"],
      ["--version"],
      ["--bogus"],
      ["--config"],
      ["--config="],
      ["--config", "--check"],
      ["-c", "a.yaml", "-c", "b.yaml"],
      ["a.yaml"],
      ["--"]
    ]) {
      assert.strictEqual(readServing(args), undefined, args.join(" "))
    }
  })
})
