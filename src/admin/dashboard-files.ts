/**
 * The dashboard as it was built: a page, a script and a style sheet, compressed beforehand, and read when somebody looks for
 * the first time. A browser that has them asks whether they are still the same, and is sent nothing.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { packageFile } from "../runtime/entry-points.ts"

const files = [
  { path: "/", file: "index.html", contentType: "text/html; charset=utf-8" },
  { path: "/assets/dashboard.js", file: "dashboard.js", contentType: "text/javascript; charset=utf-8" },
  { path: "/assets/dashboard.css", file: "dashboard.css", contentType: "text/css; charset=utf-8" }
] as const

/** Those that a browser may take, the smallest first. */
const codings = [
  { name: "br", ending: ".br" },
  { name: "gzip", ending: ".gz" },
  { name: "identity", ending: "" }
] as const
type Coding = (typeof codings)[number]["name"]

interface Variant {
  readonly octets: Uint8Array
  readonly etag: string
}

const WITHOUT_BUILD = "The dashboard is part of what is built: run `npm run build`. The API is at /docs.\n"

const readVariants = (file: string): ReadonlyMap<Coding, Variant> =>
  new Map(
    codings.map(({ ending, name }) => {
      const octets = readFileSync(packageFile(`dist/dashboard/${file}${ending}`))
      const etag = `"${createHash("sha256").update(octets).digest("base64url").slice(0, 22)}"`
      return [name, { octets, etag }] as const
    })
  )

/** The first that the header takes: a coding that it does not name, or gives a weight of nothing, it does not take. */
export const codingFor = (header: string | undefined): Coding => {
  const taken = new Map(
    (header ?? "").split(",").map((item) => {
      const [name, ...parameters] = item
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/)
      const weight = parameters.find((parameter) => parameter.startsWith("q="))
      return [name!, weight === undefined ? 1 : Number(weight.slice(2))] as const
    })
  )
  return codings.find(({ name }) => (taken.get(name) ?? taken.get("*") ?? 0) > 0)?.name ?? "identity"
}

const respond = (
  { contentType }: (typeof files)[number],
  variants: ReadonlyMap<Coding, Variant>,
  headers: Readonly<Record<string, string | undefined>>
): HttpServerResponse.HttpServerResponse => {
  const coding = codingFor(headers["accept-encoding"])
  const { etag, octets } = variants.get(coding)!
  const cached = { etag, "cache-control": "no-cache", vary: "accept-encoding" }
  const known = (headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  if (known.includes(etag)) return HttpServerResponse.empty({ status: 304, headers: cached })
  return HttpServerResponse.uint8Array(octets, {
    contentType,
    headers: coding === "identity" ? cached : { ...cached, "content-encoding": coding }
  })
}

export const dashboardRoutes = HttpRouter.use((router) =>
  Effect.forEach(
    files,
    (file) =>
      Effect.gen(function* () {
        const variants = yield* Effect.cached(
          Effect.try({ try: () => readVariants(file.file), catch: () => "not built" as const })
        )
        yield* router.add(
          "GET",
          file.path,
          Effect.match(Effect.all([HttpServerRequest.HttpServerRequest, variants]), {
            onSuccess: ([{ headers }, found]) => respond(file, found, headers),
            onFailure: () =>
              HttpServerResponse.text(WITHOUT_BUILD, { status: 503, contentType: "text/plain; charset=utf-8" })
          })
        )
      }),
    { discard: true }
  )
)
