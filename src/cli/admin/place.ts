/** Where the admin side of a server is, and with what it is asked. */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { loadSome } from "../../config/configuration.ts"
import { formatEndpoint } from "../../io/endpoint.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { CommandFailed } from "../failure.ts"
import { reachable } from "../reachable.ts"

/** As it is given on the command line. */
export interface AdminOptions {
  /** The configuration's file. */
  readonly file: string | undefined
  readonly admin: string | undefined
  readonly token: string | undefined
  readonly tokenFile: string | undefined
}

export interface AdminPlace {
  readonly url: string
  readonly token: string | undefined
  /** In PEM, where the configuration names it. */
  readonly certificate: string | undefined
}

/**
 * The address that is given, else the one of the configuration. The configuration is read only for what is not given:
 * mistakes in it do not keep anybody from asking a server elsewhere.
 */
export const adminPlace = Effect.fnUntraced(function* (options: AdminOptions) {
  const given = yield* givenToken(options)
  if (options.admin !== undefined) {
    const url = yield* readUrl(options.admin)
    return { url, token: given ?? environmentToken(), certificate: undefined } satisfies AdminPlace
  }
  const { admin, adminToken, adminTlsCertificateFile: certificate } = yield* adminSettings(options.file)
  if (admin === "off") {
    return yield* new CommandFailed({
      message: "the configuration has no admin side (admin: off): --admin says where there is one"
    })
  }
  return {
    url: `${certificate === undefined ? "http" : "https"}://${formatEndpoint(reachable(admin))}`,
    token: given ?? adminToken,
    certificate: certificate?.pem
  } satisfies AdminPlace
})

/** Keys of certificates may be readable by the server alone, and are not needed here. */
const adminSettings = loadSome("admin", "adminToken", "adminTlsCertificateFile")

const givenToken = ({ token, tokenFile }: AdminOptions): Effect.Effect<string | undefined, CommandFailed> =>
  token !== undefined || tokenFile === undefined
    ? Effect.succeed(token)
    : Effect.map(readText(tokenFile, "--token-file"), (text) => text.trim())

const environmentToken = (): string | undefined => {
  const token = process.env["DNS_SERVER_ADMIN_TOKEN"]?.trim()
  return token === "" ? undefined : token
}

const readText = (file: string, what: string): Effect.Effect<string, CommandFailed> =>
  Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: (cause) => new CommandFailed({ message: `${what}: ${messageOf(cause)}` })
  })

/** `http://host:port`, `https://host:port`, or `host:port`. */
const readUrl = (text: string): Effect.Effect<string, CommandFailed> => {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`)
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === ""
  return isUsable
    ? Effect.succeed(`${url.origin}${url.pathname.replace(/\/+$/, "")}`)
    : Effect.fail(new CommandFailed({ message: `--admin: ${text}: expected a URL such as http://127.0.0.1:8053` }))
}
