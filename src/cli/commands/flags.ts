/** Options that several commands have. */
import { Effect, Option } from "effect"
import { Argument, Flag, Param, Primitive } from "effect/cli"

/** Undefined where it is not given. */
export const maybe = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  Flag.map(Flag.optional(flag), Option.getOrUndefined)

export const maybeArgument = <A>(argument: Argument.Argument<A>): Argument.Argument<A | undefined> =>
  Argument.map(Argument.optional(argument), Option.getOrUndefined)

/** Off where it is not given. */
export const toggle = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withoutNegation, Flag.withDefault(false))

/** Whatever is written behind it, but nothing. */
const someText = (value: string): Effect.Effect<string, string> =>
  value === "" ? Effect.fail("something behind the =") : Effect.succeed(value)

export const text = (name: string, metavar: string, description: string): Flag.Flag<string | undefined> =>
  maybe(
    Flag.String(name).pipe(
      Flag.withMetavar(metavar),
      Flag.withDescription(description),
      Flag.filter(
        (value) => value !== "",
        () => "something behind the ="
      )
    )
  )

/**
 * A file, as it is written: shells complete it. Effect's own kind of path is made absolute, and has to be a regular
 * file: messages would not name what was written, and pipes and devices could not be read.
 */
export const file = (name: string, metavar: string, description: string): Flag.Flag<string | undefined> =>
  maybe(
    Param.makeSingle({
      kind: Param.flagKind,
      name,
      primitiveType: Object.assign(Primitive.Path("file"), { parse: someText })
    }).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
  )

export const json = toggle("json", "print JSON, for scripts")

/** Where the admin side of the server is. */
export const adminFlags = {
  admin: text("admin", "URL", "where the admin side of the server is; by default as the configuration says"),
  token: text("token", "TOKEN", "what the admin side wants to be shown; DNS_SERVER_ADMIN_TOKEN says it too"),
  tokenFile: file("token-file", "FILE", "a file with that token in it"),
  isJson: json
}

export const nameArgument = Argument.String("name").pipe(Argument.withDescription("such as example.com"))

export const typeArgument = maybeArgument(
  Argument.String("type").pipe(Argument.withDescription("such as AAAA, MX, HTTPS or TYPE65280"))
)
