/** What a person at a terminal is told when the server has started: how to ask it something, and where to look. */
import { isatty } from "node:tty"
import type { Settings } from "../config/schema/settings.ts"
import { type Endpoint, formatEndpoint } from "../io/endpoint.ts"
import { reachable } from "./reachable.ts"

const STDOUT = 1

interface Listening {
  readonly protocol: string
  readonly endpoint: Endpoint
}

/** None where the log is for machines, or nobody is at a terminal. */
export const firstSteps = (settings: Settings, listening: ReadonlyArray<Listening>): ReadonlyArray<string> => {
  if (settings.logFormat !== "pretty" || !isatty(STDOUT)) return []
  return stepsFor(settings, listening)
}

export const stepsFor = (
  { admin, adminTlsCertificateFile }: Pick<Settings, "admin" | "adminTlsCertificateFile">,
  listening: ReadonlyArray<Listening>
): ReadonlyArray<string> => {
  const first = listening.find(({ protocol }) => protocol === "udp") ?? listening[0]
  if (first === undefined) return []
  const { address, port } = reachable(first.endpoint)
  const tcp = first.protocol === "tcp" ? " +tcp" : ""
  const scheme = adminTlsCertificateFile === undefined ? "http" : "https"
  return [
    `try it: dig @${address} -p ${port} example.com${tcp}`,
    ...(admin === "off" ? [] : [`look at it: ${scheme}://${formatEndpoint(reachable(admin))}/`])
  ]
}
