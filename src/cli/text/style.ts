/** Colours, where the terminal has them and NO_COLOR does not stand in the environment. */
import { Effect } from "effect"
import { TerminalCapabilities } from "effect/cli"

type Paint = (text: string) => string

export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
}

const sequence =
  (code: number): Paint =>
  (text) =>
    text === "" ? text : `\x1b[${code}m${text}\x1b[0m`

const coloured: Style = {
  bold: sequence(1),
  dim: sequence(2),
  red: sequence(31),
  green: sequence(32),
  yellow: sequence(33),
  cyan: sequence(36)
}

const as: Paint = (text) => text

export const plain: Style = { bold: as, dim: as, red: as, green: as, yellow: as, cyan: as }

export const style: Effect.Effect<Style> = Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) =>
  canColor ? coloured : plain
)
