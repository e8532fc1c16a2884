/** What a person at a terminal is told when the server has started: how to ask it something. */
import { isatty } from "node:tty"
import type { Settings } from "../config/schema/settings.ts"
import { type Endpoint, formatEndpoint } from "../io/endpoint.ts"
import { reachable } from "./reachable.ts"

const STDOUT = 1

/** Where a server listens that nobody has told otherwise: commands ask there by themselves. */
const USUAL = "127.0.0.1:1053"

interface Listening {
  readonly protocol: string
  readonly endpoint: Endpoint
}

/** None where the log is for machines, or nobody is at a terminal. */
export const firstStep = ({ logFormat }: Settings, listening: ReadonlyArray<Listening>): string | undefined =>
  logFormat === "pretty" && isatty(STDOUT) ? stepFor(listening) : undefined

/** By UDP, where it is listened for; none where nothing is. */
export const stepFor = (listening: ReadonlyArray<Listening>): string | undefined => {
  const first = listening.find(({ protocol }) => protocol === "udp") ?? listening[0]
  if (first === undefined) return undefined
  const endpoint = reachable(first.endpoint)
  const at = formatEndpoint(endpoint)
  const [tcp, scheme] = first.protocol === "tcp" ? [" +tcp", "tcp://"] : ["", ""]
  const via = `${scheme}${at}` === USUAL ? "" : ` --via ${scheme}${at}`
  return `try it: dig @${endpoint.address} -p ${endpoint.port} example.com${tcp}, or strand query example.com${via}`
}
