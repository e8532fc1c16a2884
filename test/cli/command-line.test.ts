/** Parsing, help and completions of the command line. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { runCommand } from "../support/clients/command.ts"
import { findTool } from "../support/external/tools.ts"
import { fileWith } from "../support/machine/files.ts"

const COMMANDS = ["serve", "check", "query", "explain", "top", "trace", "cache", "upstreams", "config"]

const NESTED = [
  ...["show", "set", "unset", "history", "rollback", "save", "reload", "example", "schema"].map(
    (word) => `config ${word}`
  ),
  ...["drain", "enable", "probe"].map((word) => `upstreams ${word}`)
]

describe("the command line", () => {
  it.live("lists every command, and each has help with an example", () =>
    Effect.gen(function* () {
      const { out, status } = yield* runCommand("--help")
      assert.strictEqual(status, 0)
      for (const command of COMMANDS) assert.match(out, new RegExp(`^  ${command} {2,}\\w`, "m"))
      for (const command of [...COMMANDS, ...NESTED]) {
        const help = yield* runCommand(...command.split(" "), "--help")
        assert.strictEqual(help.status, 0, command)
        const example = new RegExp(`^EXAMPLES\\n(?:.*\\n)* {2}(?:\\w+=\\S+ )?strand ${command}\\b`, "m")
        assert.match(`${help.out}\n`, example, command)
      }
    })
  )

  it.live("names every setting in its help, and where it comes from", () =>
    Effect.gen(function* () {
      const { out } = yield* runCommand("--help")
      assert.match(out, /^ {2}DNS_SERVER_RETRIES\n {6}\S.* \(default: 2\)$/m)
      assert.match(out, /strand config example .*defaults\n.*strand config schema .*editors/)
    })
  )

  it.live("says what is wrong in one line, what was meant, and ends with 1", () =>
    Effect.gen(function* () {
      for (const [args, message] of [
        ["--bogus", /^unknown option --bogus; strand --help says what there is$/],
        ["query --shrt x", /^unknown option --shrt: did you mean --short\?; strand query --help says what there is$/],
        ["chek", /^unknown command: chek: did you mean check\?; strand --help says what there is$/],
        [
          "config exmaple",
          /^unknown command: exmaple: did you mean example\?; strand config --help says what there is$/
        ],
        ["check strand.yaml", /^Unexpected positional argument: "strand.yaml"; /],
        ["--config", /^Missing value for flag --config\. /],
        ["check --config=", /^Missing value for flag --config\. Expected: something behind the =; /],
        ["query", /^Missing required argument: name; /],
        [
          "query x --timeout 0",
          /^Invalid value for flag --timeout: "0"\. Expected: seconds, above 0 and at most 3600; /
        ],
        ["config set", /^.*NAME=VALUE.*$/],
        ["trace --outcome hot", /^Invalid value for flag --outcome: "hot"\. .*hit/],
        ["--against old.yaml", /^--against needs check before it$/]
      ] as const) {
        const { out, error, status } = yield* runCommand(...args.split(" "))
        assert.match(error, message)
        assert.notInclude(error, "\n")
        assert.deepStrictEqual([out, status], ["", 1], args)
      }
    })
  )

  it.live("escapes what was written before it is said again", () =>
    Effect.gen(function* () {
      const { error } = yield* runCommand("\x1b[31mred")
      assert.include(error, "unknown command: \\x1b[31mred")
    })
  )

  it.live("serves where it is asked to in an unusual way", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* runCommand("serve", "--", ...[])).served, [undefined])
      assert.deepStrictEqual((yield* runCommand("--config", "a.yaml", "serve")).served, ["a.yaml"])
      assert.deepStrictEqual((yield* runCommand()).served, [undefined])
    })
  )

  it.live(
    "takes the file before a command and behind it, and as an option what was one before there were commands",
    () =>
      Effect.gen(function* () {
        const file = yield* fileWith("upstreams: 192.0.2.1\nretries: 1\n", "strand.yaml")
        for (const args of [
          ["check", "-c", file],
          ["--config", file, "check"],
          ["--check", "--config", file]
        ]) {
          const { out, status } = yield* runCommand(...args)
          assert.strictEqual(status, 0)
          assert.include(out, `retries: 1  # ${file}`)
        }
        const { out } = yield* runCommand("--check", "-c", file, "--against", file)
        assert.strictEqual(out, "nothing would change")
      })
  )

  it.live("shows help where a command needs another word", () =>
    Effect.gen(function* () {
      const { out } = yield* runCommand("config")
      assert.include(out, "strand config <subcommand>")
    })
  )
})

const bash = findTool("bash")

describe("completions", () => {
  it.live("are to be had for bash, zsh and fish, with all commands and options", () =>
    Effect.gen(function* () {
      for (const shell of ["bash", "zsh", "fish"]) {
        const { out, status } = yield* runCommand("--completions", shell)
        assert.strictEqual(status, 0)
        for (const word of [...COMMANDS, "rollback", "drain", "dnssec", "slower-than"]) assert.include(out, word, shell)
        assert.notInclude(out, "--against FILE")
      }
    })
  )

  it.live.skipIf(bash === undefined)("complete in bash", () =>
    Effect.gen(function* () {
      const { out } = yield* runCommand("--completions", "bash")
      const script = yield* fileWith(out, "strand.bash")
      const completed = (line: string): string => {
        const asked = `
          source ${script}
          COMP_LINE=${JSON.stringify(line)}; COMP_POINT=\${#COMP_LINE}
          read -ra COMP_WORDS <<< "$COMP_LINE"
          [[ "$COMP_LINE" == *" " ]] && COMP_WORDS+=("")
          COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
          _strand strand "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
          echo "\${COMPREPLY[*]}"`
        const { stdout, stderr } = spawnSync(bash!, ["--norc", "-c", asked], { encoding: "utf8" })
        assert.strictEqual(stderr, "")
        return stdout.trim()
      }
      assert.strictEqual(completed("strand qu"), "query")
      assert.strictEqual(completed("strand config ro"), "rollback")
      assert.strictEqual(completed("strand trace --outcome st"), "stale")
      assert.include(completed("strand query --d"), "--dnssec")
      assert.strictEqual(completed("strand check --config package-l"), "package-lock.json")
    })
  )
})

describe("what a start loads", () => {
  /** The built file and all that it imports without waiting, by what they are made of. */
  const modulesOf = (file: string, seen = new Set<string>()): ReadonlySet<string> => {
    if (seen.has(file)) return new Set()
    seen.add(file)
    const text = readFileSync(file, "utf8")
    const own = [...text.matchAll(/^\/\/ ((?:src|node_modules)\/.*)$/gm)].map(([, module]) => module!)
    const imported = [...text.matchAll(/^(?:(?:const|let) \w+ = )?require\("\.\/(.*\.cjs)"\)/gm)].map(
      ([, name]) => `dist/programs/${name}`
    )
    return new Set([...own, ...imported.flatMap((each) => [...modulesOf(each, seen)])])
  }

  it("is nothing of the command line's other commands, of Effect's CLI, or of an HTTP client", () => {
    const modules = [...modulesOf("dist/programs/program.cjs")]
    assert.include(modules, "src/program.ts")
    const other = modules.filter((module) =>
      /effect\/dist\/(cli|http-api)\/|HttpClient|src\/(cli\/(admin|commands|query|text|top)|admin\/api)\/|dns-packet/.test(
        module
      )
    )
    assert.deepStrictEqual(other, [])
  })
})
