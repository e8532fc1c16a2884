/** Places on earth, as a database of addresses tells them. */
import type { Spot } from "../dns/client-context.ts"

export interface Place {
  /** ISO 3166-1, two capital letters; empty where it is not known. */
  readonly country: string
  /** AF, AN, AS, EU, NA, OC or SA; empty where it is not known. */
  readonly continent: string
  /** Undefined where it is not known. */
  readonly spot: Spot | undefined
}

export const nowhere: Place = { country: "", continent: "", spot: undefined }

const EARTH_RADIUS_KM = 6371

/** Along a great circle, by the haversine formula, on a round earth: within half a percent. */
export const distanceKm = (a: Spot, b: Spot): number => {
  const latitude = Math.sin(radians(b.latitude - a.latitude) / 2)
  const longitude = Math.sin(radians(b.longitude - a.longitude) / 2)
  const h = latitude ** 2 + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * longitude ** 2
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180
