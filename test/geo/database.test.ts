import { assert, describe, it } from "@effect/vitest"
import { GeoDatabase } from "../../src/geo/database.ts"
import { distanceKm } from "../../src/geo/location.ts"
import { TextPeer } from "../../src/io/peer.ts"
import { continentOf, countryOf, geoLite, publicAddress } from "../support/external/geolite.ts"
import { seeded } from "../support/wire/messages.ts"
import { city, geoDatabase } from "../support/wire/mmdb.ts"

const placeIn = (database: GeoDatabase, address: string) => {
  const words = new Uint32Array(4)
  return database.locationOf(words, new TextPeer({ address, port: 53 }).readWords(words))
}

describe("GeoDatabase", () => {
  it("says of any address what the database says of it", () => {
    const database = new GeoDatabase(geoLite)
    const random = seeded(1)
    const addresses = Array.from({ length: 5_000 }, () => publicAddress(random))
    for (let i = 0; i < 1_000; i++) addresses.push(`2${random(4096).toString(16)}:${random(65_536).toString(16)}::1`)
    // Twice: the second time from what is remembered.
    for (const address of [...addresses, ...addresses]) {
      const { country, continent } = placeIn(database, address)
      assert.strictEqual(country, countryOf(address), address)
      assert.strictEqual(continent, continentOf(address), address)
    }
  })

  it("says what kind of places it knows", () => {
    assert.deepStrictEqual(new GeoDatabase(geoLite).tells, { countries: true, continents: true, coordinates: false })
    const flat = new GeoDatabase(geoDatabase({ "8.0.0.0/8": { country_code: "US", latitude: 38, longitude: -97 } }))
    assert.deepStrictEqual(flat.tells, { countries: true, continents: false, coordinates: true })
  })

  it("reads records of cities, and flat ones", () => {
    const database = new GeoDatabase(
      geoDatabase({
        "192.0.2.0/24": city("DE", "EU", 52.5, 13.4),
        "2001:db8::/32": { country_code: "jp", latitude: 35.7, longitude: 139.7 },
        "198.51.100.0/24": { country: "not as it should be", location: 7 }
      })
    )
    const coordinates = { latitude: 52.5, longitude: 13.4 }
    assert.deepStrictEqual(placeIn(database, "192.0.2.77"), { country: "DE", continent: "EU", coordinates })
    assert.strictEqual(placeIn(database, "::ffff:192.0.2.77").country, "DE")
    assert.strictEqual(placeIn(database, "2001:db8::9").country, "JP")
    for (const address of ["198.51.100.1", "203.0.113.1", "2001:db9::1"]) {
      assert.deepStrictEqual(placeIn(database, address), { country: "", continent: "", coordinates: undefined })
    }
  })

  it("is not made of a file that is cut short, or of any other file", () => {
    const random = seeded(2)
    const lengths = [0, 1, 100, geoLite.length - 1, geoLite.length - 300]
    for (const length of lengths) assert.throws(() => new GeoDatabase(geoLite.subarray(0, length)))
    // The end of one with the tree missing before it.
    assert.throws(() => new GeoDatabase(geoLite.subarray(geoLite.length - 100_000)))
    assert.throws(() => new GeoDatabase(Buffer.from(Array.from({ length: 5_000 }, () => random(256)))))
  })
})

describe("distanceKm", () => {
  it("is that along a great circle, over the date line and the pole", () => {
    const berlin = { latitude: 52.52, longitude: 13.405 }
    const near = (actual: number, expected: number): void => assert.approximately(actual, expected, expected / 100)
    near(distanceKm(berlin, { latitude: 48.857, longitude: 2.352 }), 878)
    near(distanceKm(berlin, { latitude: 35.68, longitude: 139.69 }), 8_920)
    near(distanceKm({ latitude: 0, longitude: 179.5 }, { latitude: 0, longitude: -179.5 }), 111.2)
    near(distanceKm({ latitude: 89, longitude: 0 }, { latitude: 89, longitude: 180 }), 222.4)
    assert.strictEqual(distanceKm(berlin, berlin), 0)
  })
})
