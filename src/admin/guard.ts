/**
 * Who may do what, decided from a request's head before anything is read of its body.
 *
 * A browser is no way in: a name that resolves to this address (DNS rebinding) is not one of ours, and what another
 * site's page sends carries its origin. What is refused here costs next to nothing.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { isIP } from "node:net"

export interface GuardSettings {
  readonly adminToken: string | undefined
  readonly adminReadToken: string | undefined
  readonly adminHosts: ReadonlyArray<string>
}

export interface Request {
  readonly method: string
  /** The path alone. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

export interface Refusal {
  readonly status: 400 | 401 | 403 | 413
  readonly message: string
}

/** Octets of a body at most: a configuration with all its lists. */
export const MAX_BODY = 4 * 1024 * 1024

/** Open to all who reach the address: probes of orchestrators, and the page itself, which holds nothing. */
const OPEN = /^\/(?:healthz|readyz|favicon\.ico|(?:assets\/[\w.-]+)?)$/
const READS: ReadonlySet<string> = new Set(["GET", "HEAD"])
/** Asks, and changes nothing. */
const READING_POSTS: ReadonlySet<string> = new Set(["/api/v1/explain"])

/** Whether it is for all: who reads it shows no token. */
const isOpen = ({ method, path }: Pick<Request, "method" | "path">): boolean => READS.has(method) && OPEN.test(path)

/**
 * Whether it is answered however busy the admin side is: it costs little, clients ask for it so often a second at most
 * (`rate-limit.ts`), and a page without its script is blank for good.
 */
export const isAlwaysAnswered = isOpen

/** Undefined where the request may go on. */
export const refusalOf = (request: Request, settings: GuardSettings): Refusal | undefined => {
  const { headers, method, path } = request
  const host = hostOf(headers.host)
  if (host === undefined || !isOurs(host, settings.adminHosts)) {
    return {
      status: 403,
      message: `this server is not reached as ${shown(host ?? headers.host)}: name it in admin_hosts`
    }
  }
  const isWrite = !READS.has(method)
  if (isWrite && isForeign(request)) return { status: 403, message: "another site's page may not change anything here" }
  const length = headers["content-length"]
  if (length !== undefined && Number(length) > MAX_BODY) {
    return { status: 413, message: `at most ${MAX_BODY} octets` }
  }
  if (settings.adminToken === undefined) return undefined
  if (isOpen(request)) return undefined
  const given = tokenOf(headers.authorization)
  if (given === undefined) return { status: 401, message: "Authorization: Bearer and the token of admin_token" }
  if (isSame(given, settings.adminToken)) return undefined
  if (settings.adminReadToken !== undefined && isSame(given, settings.adminReadToken)) {
    return isWrite && !READING_POSTS.has(path) ? { status: 403, message: "this token may read only" } : undefined
  }
  return { status: 401, message: "the token is wrong" }
}

/** The host of a `Host` header without its port; undefined where it is none. */
const hostOf = (header: string | undefined): string | undefined => {
  const [, bracketed, plain] = /^(?:\[([\da-f:.%\w]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(header ?? "") ?? []
  return (bracketed ?? plain)?.toLowerCase().replace(/\.$/, "")
}

const isOurs = (host: string, names: ReadonlyArray<string>): boolean =>
  isIP(host) !== 0 ||
  host === "localhost" ||
  host.endsWith(".localhost") ||
  names.some((name) => name.toLowerCase() === host)

/**
 * Whether a browser says that the request comes from another site's page. What no page can set (`Sec-Fetch-Site`) has the
 * last word. The scheme says nothing: before a proxy the browser may speak HTTPS, and behind it this is HTTP.
 */
const isForeign = ({ headers }: Request): boolean => {
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site !== "same-origin" && site !== "none"
  const { origin } = headers
  return origin !== undefined && origin.replace(/^https?:\/\//, "") !== headers.host
}

/** `Bearer TOKEN`, or the password of `Basic`: apps made for AdGuard Home send that. */
const tokenOf = (header: string | undefined): string | undefined => {
  const [, scheme, credentials] = /^(\w+)\s+(\S+)$/.exec(header ?? "") ?? []
  if (credentials === undefined) return undefined
  if (scheme!.toLowerCase() === "bearer") return credentials
  if (scheme!.toLowerCase() !== "basic") return undefined
  const text = Buffer.from(credentials, "base64").toString("utf8")
  return text.slice(text.indexOf(":") + 1)
}

/** In the same time, however much of it is right. */
const isSame = (given: string, token: string): boolean => timingSafeEqual(digest(given), digest(token))

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

const shown = (header: string | undefined): string => JSON.stringify((header ?? "").slice(0, 100))
