/**
 * What of a setting's value may be shown to people: in `check`, in logs, in mistakes.
 *
 * Hidden are the parts of an address that only its server should see: user and password, the query, and path segments
 * that say who asks (`/dns-query` says nothing, `/d2a9c1` is a user's profile). Names stay: TLS sends them in the
 * clear.
 */
import { TEMPLATE_END } from "./uri-template.ts"

/** Segments that many servers have. */
const common =
  /^(dns-query|dns|doh|resolve|query|family|security|unfiltered|otlp|api|traces|logs|metrics|v\d+|.{0,2})$/i

/** Enough to tell two of one's own profiles apart, and not enough to use them. */
const hinted = (segment: string): string => (common.test(segment) ? segment : `${segment.slice(0, 2)}…`)

/** A path, with or without a query, as it may be shown. */
const shownPath = (path: string): string => {
  if (path.endsWith(TEMPLATE_END)) return shownPath(path.slice(0, -TEMPLATE_END.length)) + TEMPLATE_END
  const query = path.search(/[?#]/)
  const segments = (query < 0 ? path : path.slice(0, query)).split("/").map(hinted).join("/")
  return query < 0 ? segments : `${segments}?…`
}

/** A URL as it may be shown, whether or not it is one. */
export const shownUrl = (text: string): string => {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:\/+)?(.*)$/is.exec(text) ?? []
  const at = rest.lastIndexOf("@")
  const [, host = "", path = ""] = /^([^/?#]*)(.*)$/s.exec(rest.slice(at + 1)) ?? []
  return `${scheme}${at < 0 ? "" : "…@"}${host}${shownPath(path)}`
}

/** What is shown of a URL that cannot be read: any part of it may be the password. */
export const shownWrongUrl = (text: string): string => `${/^[a-z]{1,8}:\/\//i.exec(text)?.[0] ?? ""}…`

/** An octet of protocol, eight of properties, the first of the address: no path begins before this. */
const STAMP_SHOWN = 16

/** An upstream as it is written, with name, weight, place, name and pins behind it, as it may be shown. */
export const shownUpstream = (text: string): string => {
  const [label] = /^[a-z0-9][\w-]*=/i.exec(text) ?? []
  if (label !== undefined) return label + shownUpstream(text.slice(label.length))
  if (/^sdns:\/\//i.test(text)) return text.length > 7 + STAMP_SHOWN ? `${text.slice(0, 7 + STAMP_SHOWN)}…` : text
  const [, url = "", behind = ""] = /^(https?:\/*.*?)((?:#[^#]*|\*\d+|@-?[\d.]+\/-?[\d.]+)*)$/is.exec(text) ?? []
  if (url !== "") return shownUrl(url) + behind
  const hash = text.indexOf("#")
  const [before, name] = hash < 0 ? [text, ""] : [text.slice(0, hash), text.slice(hash)]
  const isAddress = !before.includes("://") && /^[\da-f:.[\]]+([@*/]|$)/i.test(before)
  return isAddress ? text : shownUrl(before) + name
}

/** A group as it is written, name and upstreams, whether or not it can be read. */
export const shownGroup = (text: string): string =>
  text.replace(/[^\s=]\S*/g, (word) => {
    const [, key, upstream] = /^([A-Za-z0-9][\w-]*=)(.*)$/s.exec(word) ?? [undefined, "", word]
    return key + shownUpstream(upstream!)
  })

/** Any text: the same for each URL in it. */
export const shownWords = (text: string): string =>
  text.replace(
    /(^|[\s=])([a-z][a-z0-9+.-]*:\/\/\S+|https?:\S+)/gi,
    (_, before: string, word: string) => before + shownUpstream(word)
  )
