/**
 * Whether the command line asks for the server, read by hand: `strand`, `strand serve`, with a file or without.
 *
 * A start loads nothing of the other commands. Whatever is written otherwise, mistakes too, is left to
 * `command-line.ts`, which knows every command and option.
 *
 * An older Node reads this file: no syntax newer than Node 16.
 */

/** The server, with the configuration's file. */
export interface Serving {
  readonly file: string | undefined
}

/** @returns undefined where it is another command, or cannot be read here */
export const readServing = (args: ReadonlyArray<string>): Serving | undefined => {
  let file: string | undefined
  let isNamed = false
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string
    const value = arg === "-c" || arg === "--config" ? args[++i] : /^(?:-c|--config)=(.*)$/s.exec(arg)?.[1]
    if (value !== undefined && value !== "" && !value.startsWith("-") && file === undefined) file = value
    else if (arg === "serve" && !isNamed) isNamed = true
    else return undefined
  }
  return { file }
}
