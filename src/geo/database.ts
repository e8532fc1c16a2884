/**
 * A MaxMind database in memory: the location of an address.
 *
 * Reads records as MaxMind writes them (`country.iso_code`, `continent.code`, `location`), and flat ones
 * (`country_code`, `latitude`, `longitude`). Recent results are remembered in a table of fixed size: the database's own
 * search for a record costs microseconds.
 */
import { type CityResponse, Reader } from "maxmind"
import { type Location, unknownLocation } from "./location.ts"

/** The fields that are looked at; any of them may be missing, or be something else. */
interface LocationRecord {
  readonly country?: { readonly iso_code?: unknown }
  readonly continent?: { readonly code?: unknown }
  readonly location?: { readonly latitude?: unknown; readonly longitude?: unknown }
  readonly country_code?: unknown
  readonly continent_code?: unknown
  readonly latitude?: unknown
  readonly longitude?: unknown
}

const ROWS = 4096
/** Locations that are held once, however many addresses are there. */
const MAX_LOCATIONS = 4096
const MAX_PARTS = 2048
/** Addresses that a database of the whole world has to say something of. */
const WELL_KNOWN = ["8.8.8.8", "9.9.9.9", "193.0.0.1", "196.216.2.1", "200.160.0.8", "202.12.29.1"]

export class GeoDatabase {
  /** When it was made, as it says. */
  readonly built: Date
  readonly kind: string
  private readonly reader: Reader<CityResponse>
  private readonly hasIPv6: boolean
  private readonly keys = new Uint32Array(ROWS * 4)
  private readonly families = new Uint8Array(ROWS)
  private readonly found: Array<Location> = new Array<Location>(ROWS).fill(unknownLocation)
  private readonly locations = new Map<string, Location>()

  /** Throws where the octets are no such database, or not all of it. */
  constructor(octets: Buffer) {
    this.reader = new Reader<CityResponse>(octets, { cache: new Recent() })
    const { metadata } = this.reader
    this.built = metadata.buildEpoch
    this.kind = String(metadata.databaseType)
    this.hasIPv6 = metadata.ipVersion === 6
    if (!(metadata.searchTreeSize + DATA_SEPARATOR <= octets.length)) throw new Error("its search tree is cut short")
    for (const address of WELL_KNOWN) this.reader.get(address)
  }

  /** Which of countries, continents and coordinates the database has: found out with some well-known addresses. */
  get tells(): { readonly countries: boolean; readonly continents: boolean; readonly coordinates: boolean } {
    const locations = WELL_KNOWN.map((address) => this.lookup(address))
    return {
      countries: locations.some(({ country }) => country !== ""),
      continents: locations.some(({ continent }) => continent !== ""),
      coordinates: locations.some(({ coordinates }) => coordinates !== undefined)
    }
  }

  /** @param words an address as `Peer.readWords` gives it */
  locationOf(words: Uint32Array, isIPv4: boolean): Location {
    const row = rowOf(words, isIPv4)
    const at = row * 4
    const { keys } = this
    const family = isIPv4 ? 4 : 6
    if (
      this.families[row] === family &&
      keys[at + 3] === words[3] &&
      (isIPv4 || (keys[at] === words[0] && keys[at + 1] === words[1] && keys[at + 2] === words[2]))
    ) {
      return this.found[row]!
    }
    const location = isIPv4 || this.hasIPv6 ? this.lookup(formatWords(words, isIPv4)) : unknownLocation
    this.families[row] = family
    keys.set(words, at)
    this.found[row] = location
    return location
  }

  private lookup(address: string): Location {
    const record = this.read(address)
    if (record === null) return unknownLocation
    const country = code(record.country?.iso_code ?? record.country_code)
    const continent = code(record.continent?.code ?? record.continent_code)
    const latitude = degrees(record.location?.latitude ?? record.latitude)
    const longitude = degrees(record.location?.longitude ?? record.longitude)
    const key = `${country} ${continent} ${latitude} ${longitude}`
    const known = this.locations.get(key)
    if (known !== undefined) return known
    const coordinates = Number.isNaN(latitude) || Number.isNaN(longitude) ? undefined : { latitude, longitude }
    const location: Location = { country, continent, coordinates }
    if (this.locations.size >= MAX_LOCATIONS) this.locations.clear()
    this.locations.set(key, location)
    return location
  }

  /** A record that cannot be read says nothing: the file was damaged where nothing was looked at before. */
  private read(address: string): LocationRecord | null {
    try {
      return this.reader.get(address) as LocationRecord | null
    } catch {
      return null
    }
  }
}

const DATA_SEPARATOR = 16

/** Parts of records that were decoded, by where they are: most of a record's time goes there. Full, it begins anew. */
class Recent {
  private readonly parts = new Map<string | number, unknown>()

  get(at: string | number): unknown {
    return this.parts.get(at)
  }

  set(at: string | number, part: unknown): void {
    if (this.parts.size >= MAX_PARTS) this.parts.clear()
    this.parts.set(at, part)
  }
}

const code = (value: unknown): string => (typeof value === "string" ? value.toUpperCase() : "")

const degrees = (value: unknown): number => (typeof value === "number" ? value : Number.NaN)

const rowOf = (words: Uint32Array, isIPv4: boolean): number => {
  const mixed = isIPv4 ? words[3]! : words[0]! ^ Math.imul(words[1]!, 31) ^ Math.imul(words[2]!, 961) ^ words[3]!
  return (Math.imul(mixed, 0x9e3779b1) >>> 20) & (ROWS - 1)
}

const formatWords = (words: Uint32Array, isIPv4: boolean): string => {
  if (!isIPv4) {
    return Array.from(words, (word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(":")
  }
  const word = words[3]!
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}
