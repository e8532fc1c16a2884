import { assert, describe, it } from "@effect/vitest"
import { readCommand } from "../../src/cli/command.ts"

describe("the command line", () => {
  it("runs, checks, helps, with a file or without", () => {
    assert.deepStrictEqual(readCommand([]), { kind: "run", file: undefined })
    assert.deepStrictEqual(readCommand(["-c", "strand.yaml"]), { kind: "run", file: "strand.yaml" })
    assert.deepStrictEqual(readCommand(["check", "--config", "a.yaml"]), { kind: "check", file: "a.yaml" })
    assert.deepStrictEqual(readCommand(["config", "example"]), { kind: "describe", what: "example" })
    assert.deepStrictEqual(readCommand(["config", "schema"]), { kind: "describe", what: "schema" })
    assert.deepStrictEqual(readCommand(["--help"]), { kind: "help" })
    assert.deepStrictEqual(readCommand(["-v"]), { kind: "version" })
  })

  it("says what is wrong in one line", () => {
    for (const [args, message] of [
      [["--bogus"], "Unknown option '--bogus'"],
      [["-x"], "Unknown option '-x'"],
      [["--config"], "Option '-c, --config <value>' argument missing"],
      [
        ["--config", "--check"],
        "Option '--config' argument is ambiguous. Did you forget to specify the option argument for '--config'?"
      ],
      [["--config="], "--config needs the name of a file"],
      [["chek"], "unknown command: chek"],
      [["config"], "config needs one word behind it: example or schema"],
      [["config", "exmaple"], "config needs one word behind it: example or schema, not exmaple: did you mean example?"],
      [["check", "strand.yaml"], "unknown command: check strand.yaml"]
    ] as const) {
      assert.deepStrictEqual(readCommand(args), { kind: "mistake", message })
    }
  })
})
