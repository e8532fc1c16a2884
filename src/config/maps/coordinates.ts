/** Where an upstream is: `52.5/13.4`, or `{ latitude: 52.5, longitude: 13.4 }`. */
import { Result } from "effect"
import type { Coordinates } from "../../dns/client-context.ts"
import type { Read } from "../codec/text-form.ts"
import { readCoordinates } from "../codec/weighted-upstream.ts"
import { number } from "../schema/setting.ts"
import { fromMap, requiredField, textOrMap } from "./map.ts"

const fields = {
  latitude: requiredField(number({ min: -90, max: 90, integer: false }), "degrees north", "latitude: degrees north"),
  longitude: requiredField(number({ min: -180, max: 180, integer: false }), "degrees east", "longitude: degrees east")
}

const map = fromMap<typeof fields, Coordinates>("coordinates", fields, { read: Result.succeed, write: (spot) => spot })

const readShort = (text: string): Read<Coordinates> =>
  Result.mapError(readCoordinates(text), (expected) => `${expected}, such as 52.5/13.4`)

export const coordinates = textOrMap<Coordinates, (typeof map)["Encoded"]>(
  readShort,
  { kind: "text", pattern: "^-?[\\d.]+/-?[\\d.]+$", examples: ["52.5/13.4"] },
  map
)
