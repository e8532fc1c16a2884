/** Locations on earth, as a database of addresses gives them. */
import type { Coordinates } from "../dns/client-context.ts"

export interface Location {
  /** ISO 3166-1, two capital letters; empty where it is not known. */
  readonly country: string
  /** AF, AN, AS, EU, NA, OC or SA; empty where it is not known. */
  readonly continent: string
  /** Undefined where it is not known. */
  readonly coordinates: Coordinates | undefined
}

export const unknownLocation: Location = { country: "", continent: "", coordinates: undefined }

const EARTH_RADIUS_KM = 6371

/** Along a great circle, by the haversine formula, on a round earth: within half a percent. */
export const distanceKm = (a: Coordinates, b: Coordinates): number => {
  const latitude = Math.sin(radians(b.latitude - a.latitude) / 2)
  const longitude = Math.sin(radians(b.longitude - a.longitude) / 2)
  const h = latitude ** 2 + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * longitude ** 2
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180
