/**
 * HTTP to the admin side, by Node's own client: it can be told which certificate to believe, and takes no proxy from
 * the environment.
 */
import { request as httpRequest, type IncomingMessage } from "node:http"
import { request as httpsRequest } from "node:https"
import { Effect } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"

/** A response that takes longer will not come. */
const TIMEOUT_MS = 30_000
/** More than any answer of the admin side. */
const MAX_OCTETS = 64 * 1024 * 1024

/** Certificates in PEM that the server's own may be, whatever name it bears; none for Node's authorities. */
export interface Trust {
  readonly certificate: string | undefined
}

export const httpClient = ({ certificate }: Trust): HttpClient.HttpClient =>
  HttpClient.make((request, url) =>
    Effect.callback((resume) => {
      const fail = (cause: unknown): void =>
        resume(
          Effect.fail(
            new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
          )
        )
      const options = { method: request.method, headers: { ...request.headers }, timeout: TIMEOUT_MS }
      const asked =
        url.protocol === "https:"
          ? httpsRequest(url, { ...options, ...trusting(certificate) })
          : httpRequest(url, options)
      asked.on("error", fail)
      asked.on("timeout", () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
      asked.on("response", (response) => {
        readAll(response).then((body) => resume(Effect.succeed(responseOf(request, response, body))), fail)
      })
      asked.end(bodyOf(request))
      return Effect.sync(() => asked.destroy())
    })
  )

/** The certificate of the configuration is the server's own: nobody else has its key, so its name says nothing more. */
const trusting = (certificate: string | undefined) =>
  certificate === undefined
    ? {}
    : { ca: certificate, allowPartialTrustChain: true, checkServerIdentity: () => undefined }

const bodyOf = ({ body }: HttpClientRequest.HttpClientRequest): Uint8Array | undefined =>
  body._tag === "Uint8Array" ? body.body : undefined

const readAll = async (response: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    length += (chunk as Buffer).length
    if (length > MAX_OCTETS) throw new Error(`an answer of more than ${MAX_OCTETS} octets`)
  }
  return Buffer.concat(chunks)
}

const responseOf = (
  request: HttpClientRequest.HttpClientRequest,
  { statusCode = 0, headers }: IncomingMessage,
  body: Buffer
): HttpClientResponse.HttpClientResponse => {
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one])
  )
  const hasBody = statusCode !== 204 && statusCode !== 304
  return HttpClientResponse.fromWeb(
    request,
    new Response(hasBody ? body : null, { status: statusCode, headers: fields })
  )
}
