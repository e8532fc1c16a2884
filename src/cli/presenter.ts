/** Help, versions and mistakes of the command line, as they are printed. */
import { Console, Effect } from "effect"
import { type CliError, CliOutput, TerminalCapabilities } from "effect/cli"
import { settingInfo, settingNames, variableName } from "../config/schema/settings.ts"
import { printable } from "./text/printable.ts"

export const presenter: CliOutput.Presenter = {
  present: Effect.fnUntraced(function* (event) {
    switch (event._tag) {
      case "Version":
        return yield* Console.log(event.version)
      case "InvalidInvocation":
        return yield* Console.error(mistakeLines(event.errors, event.commandPath).join("\n"))
      case "Help": {
        const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
        const { formatHelpDoc } = CliOutput.defaultFormatter({ colors: canColor, globalFlags: "summary" })
        const { description } = event.helpDoc
        yield* Console.log(formatHelpDoc({ ...event.helpDoc, description: wrapped(description) }))
        if (event.commandPath.length === 1) yield* Console.log(settingsHelp())
      }
    }
  })
}

/** In lines that a terminal has room for, indented as the help is. */
const wrapped = (text: string): string => (text.match(/.{1,96}(?: |$)/g) ?? []).map((line) => line.trim()).join("\n  ")

/** One line each, on standard error; help is asked for, not thrown at people. */
const mistakeLines = (
  errors: ReadonlyArray<CliError.NonShowHelpErrors>,
  commandPath: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const [first = "", ...others] = errors.map(mistakeText)
  return [`${first}; ${commandPath.join(" ")} --help says what there is`, ...others]
}

const mistakeText = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `unknown option ${printable(error.option)}${meant(error.suggestions)}`
    case "UnknownSubcommand":
      return `unknown command: ${printable(error.subcommand)}${meant(error.suggestions)}`
    default:
      return printable(error.message)
  }
}

const meant = ([first]: ReadonlyArray<string>): string => (first === undefined ? "" : `: did you mean ${first}?`)

/** Every setting, as the environment has it. */
const settingsHelp = (): string => {
  const lines = settingNames.map((name) => {
    const standard = settingInfo[name].default
    const otherwise = standard === undefined || standard === "" ? "" : ` (default: ${standard})`
    return `  ${variableName(name)}\n      ${settingInfo[name].meaning}${otherwise}`
  })
  return `
SETTINGS
  From the file (YAML, keys in lower case without DNS_SERVER_), and from the environment, which wins:

${lines.join("\n")}`
}
