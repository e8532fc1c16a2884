/**
 * An upstream among others, with what its user says of it: `9.9.9.9`, `9.9.9.9*3`, `9.9.9.9@52.5/13.4`,
 * `quad9=tls://9.9.9.9#dns.quad9.net*3@52.5/13.4`.
 */
import { Result } from "effect"
import type { Coordinates } from "../../dns/client-context.ts"
import { decimal } from "./numbers.ts"
import type { Read, TextForm } from "./text-form.ts"
import { readUpstreamAddress, writeUpstreamAddress } from "./upstream.ts"
import type { UpstreamAddress } from "./upstream-address.ts"

/** An upstream, its share beside others (1 where none is given), and where it is (else looked up). */
export type WeightedUpstream = UpstreamAddress & {
  /** What it is called in logs, traces and metrics in the stead of its address. */
  readonly name?: string
  readonly weight?: number
  readonly spot?: Coordinates
}

export const MAX_WEIGHT = 1000
/** Attempts at one address for one question, at most (RFC 9520 §3.1). */
export const MAX_ATTEMPTS_AT_ONE = 3

/** Of an upstream, or of a group. */
export const LABEL = /^[A-Za-z0-9][A-Za-z0-9_-]*$/
export const LABEL_EXPECTED = "a name of letters, digits, - and _"
/** In a group that word says how it is asked. */
const NO_LABEL = "policy"

export const isUpstreamLabel = (text: string): boolean => LABEL.test(text) && text !== NO_LABEL

export const readWeightedUpstream = (text: string): Read<WeightedUpstream> => {
  const [, name, rest] = /^([A-Za-z0-9][A-Za-z0-9_-]*)\s*=\s*(.*)$/s.exec(text) ?? []
  if (name === undefined || rest === undefined) return readUpstreamWithPlace(text)
  if (!isUpstreamLabel(name)) return Result.fail(`before = another name than ${NO_LABEL}`)
  return Result.map(readUpstreamWithPlace(rest), (upstream) => ({ ...upstream, name }))
}

const readUpstreamWithPlace = (text: string): Read<WeightedUpstream> => {
  const placed = /^(.*)@([^@/]+)\/([^@/]+)$/.exec(text)
  if (placed === null || !isPlace(text, placed[2]!, placed[3]!)) return readUpstreamWithWeight(text)
  const spot = readCoordinates(`${placed[2]}/${placed[3]}`)
  if (Result.isFailure(spot)) return Result.fail(`${spot.failure} behind the @, such as @52.5/13.4`)
  return Result.map(readUpstreamWithWeight(placed[1]!), (upstream) => ({ ...upstream, spot: spot.success }))
}

/** A user and a password before a host end so as well, and so may the path of a URL. */
const isPlace = (text: string, north: string, east: string): boolean =>
  /^-?[\d.]+$/.test(north) && (!text.includes("://") || /^-?[\d.]+$/.test(east))

/** `52.5/13.4`: degrees north and east. */
export const readCoordinates = (text: string): Read<Coordinates> => {
  const [north = "", east = "", ...more] = text.split("/")
  const spot = { latitude: coordinate(north, 90), longitude: coordinate(east, 180) }
  return more.length > 0 || Number.isNaN(spot.latitude) || Number.isNaN(spot.longitude)
    ? Result.fail("degrees north and east")
    : Result.succeed(spot)
}

const coordinate = (text: string, limit: number): number => {
  const degrees = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) + 0 : Number.NaN
  return Math.abs(degrees) <= limit ? degrees : Number.NaN
}

export const writeCoordinates = ({ latitude, longitude }: Coordinates): string =>
  `${decimal(latitude)}/${decimal(longitude)}`

const readUpstreamWithWeight = (text: string): Read<WeightedUpstream> => {
  const weighted = /^(.*)\*(\d+)$/.exec(text)
  if (weighted === null) return readUpstreamAddress(text)
  const weight = Number(weighted[2])
  if (weight < 1 || weight > MAX_WEIGHT) return Result.fail(`a weight from 1 to ${MAX_WEIGHT} behind the *`)
  return Result.map(readUpstreamAddress(weighted[1]!), (address) => ({ ...address, weight }))
}

export const writeWeightedUpstream = (upstream: WeightedUpstream): string => {
  const { name, weight, spot } = upstream
  return [
    name === undefined ? "" : `${name}=`,
    writeUpstreamAddress(upstream),
    weight === undefined ? "" : `*${weight}`,
    spot === undefined ? "" : `@${writeCoordinates(spot)}`
  ].join("")
}

export const weightedUpstream: TextForm<WeightedUpstream> = {
  read: readWeightedUpstream,
  write: writeWeightedUpstream
}
