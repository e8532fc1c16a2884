/**
 * What may stand behind the `?` of a request to the API. What is not known there is refused: a misspelt `dry_run` would
 * else make the change, and a misspelt `name` forget everything. Paths are compared as the router does (`admin.ts`).
 */
import { SchemaAST } from "effect"
import { AdminApi } from "./api/api.ts"

interface Endpoint {
  readonly method: string
  readonly path: RegExp
  readonly names: ReadonlyArray<string>
}

const endpoints: ReadonlyArray<Endpoint> = Object.values(AdminApi.groups).flatMap((group) =>
  Object.values(group.endpoints).map(({ method, path, query }) => ({
    method,
    path: new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`),
    names:
      query !== undefined && SchemaAST.isObjects(query.ast)
        ? query.ast.propertySignatures.map(({ name }: { readonly name: PropertyKey }) => String(name))
        : []
  }))
)

/**
 * Whether all parameters are known.
 *
 * @param url of the request, path first
 * @returns what is wrong; undefined where nothing is, and for paths that are none of the API's
 */
export const wrongParameter = (method: string, url: string): string | undefined => {
  const [path = "", search] = url.split("?", 2)
  if (!path.startsWith("/api/")) return undefined
  // What some take for a ? (RFC 3986 §3.3 does not).
  if (path.includes(";")) return "a ; cannot stand in a path"
  if (search === undefined) return undefined
  const endpoint = endpointAt(method, path) ?? endpointAt(method, decoded(path))
  if (endpoint === undefined) return undefined
  const { names } = endpoint
  const wrong = [...new URLSearchParams(search).keys()].find((name) => !names.includes(name))
  if (wrong === undefined) return undefined
  return `${JSON.stringify(wrong.slice(0, 50))} is not known here: ${names.length === 0 ? "nothing may stand behind the ?" : names.join(", ")}`
}

const endpointAt = (method: string, path: string): Endpoint | undefined =>
  endpoints.find((one) => one.method === method && one.path.test(path))

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
