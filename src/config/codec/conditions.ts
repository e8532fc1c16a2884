/**
 * Whom something is for, among the words of a rule or of a local answer: `client:10.0.0.0/8`,
 * `client_name:laptop|phone`, `country:DE|AT`, `continent:EU`.
 */
import { Result } from "effect"
import type { IpNetwork } from "effect/net"
import { CLIENT_NAME_EXPECTED, readClientName } from "../../io/client-name.ts"
import { network, readNetwork } from "./network.ts"
import type { Read } from "./text-form.ts"

export interface Conditions {
  /** Whose queries are meant; undefined for all clients'. */
  readonly client: IpNetwork.IpNetwork | undefined
  /**
   * What a client calls itself, in small letters, one of which it has to be; none for all. It is said where queries are
   * encrypted, and anybody may say it.
   */
  readonly clientNames: ReadonlyArray<string>
  /** ISO 3166-1 codes of two capital letters, one of which has to be the client's; none for all. */
  readonly countries: ReadonlyArray<string>
  /** The same of continents, `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`. */
  readonly continents: ReadonlyArray<string>
}

export const CONTINENTS: ReadonlyArray<string> = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]

/** Whether there is nothing but names to go by. */
export const isForAllClients = ({ client, clientNames, countries, continents }: Conditions): boolean =>
  client === undefined && clientNames.length === 0 && countries.length === 0 && continents.length === 0

/** Whether places have to be known for it. */
export const asksForPlace = ({ countries, continents }: Conditions): boolean =>
  countries.length > 0 || continents.length > 0

/** The same for those that mean the same clients. */
export const conditionsKey = ({ client, clientNames, countries, continents }: Conditions): string =>
  JSON.stringify([client, [...clientNames].sort(), [...countries].sort(), [...continents].sort()])

const CONDITION = /^(client|client_name|country|continent):(.*)$/

/** Whether the word would be read as one. */
export const isCondition = (word: string): boolean => CONDITION.test(word)

/** The conditions, and the words that are none. */
export const readConditions = (
  words: ReadonlyArray<string>
): Read<{ readonly conditions: Conditions; readonly rest: ReadonlyArray<string> }> => {
  let client: IpNetwork.IpNetwork | undefined
  let clientNames: ReadonlyArray<string> = []
  let countries: ReadonlyArray<string> = []
  let continents: ReadonlyArray<string> = []
  const rest: Array<string> = []
  for (const word of words) {
    const [, kind, value] = CONDITION.exec(word) ?? []
    if (kind === undefined || value === undefined) {
      rest.push(word)
    } else if (kind === "client") {
      const read = readNetwork(value)
      if (Result.isFailure(read)) return Result.fail(`client: ${read.failure}`)
      if (client !== undefined) return Result.fail("one client network a rule")
      client = read.success
    } else if (kind === "client_name") {
      if (clientNames.length > 0) return Result.fail("one client_name: a rule, with | between several")
      const names = value.split(/[|,]/).map(readClientName)
      if (names.includes(undefined)) return Result.fail(`client_name: ${CLIENT_NAME_EXPECTED}, with | between several`)
      clientNames = names.filter((name) => name !== undefined)
    } else if (kind === "country") {
      if (countries.length > 0) return Result.fail("one country: a rule, with | between several")
      countries = codesOf(value)
      if (!countries.every(isCountry)) {
        return Result.fail("country: ISO 3166 codes of two letters with | between them, such as country:DE|AT")
      }
    } else {
      if (continents.length > 0) return Result.fail("one continent: a rule, with | between several")
      continents = codesOf(value)
      if (!continents.every((code) => CONTINENTS.includes(code))) {
        return Result.fail(`continent: of ${CONTINENTS.join(", ")}, with | between several`)
      }
    }
  }
  return Result.succeed({ conditions: { client, clientNames, countries, continents }, rest })
}

/** ISO 3166-1, two letters. */
export const isCountry = (code: string): boolean => /^[A-Z]{2}$/.test(code)

const codesOf = (text: string): ReadonlyArray<string> => text.toUpperCase().split(/[|,]/)

/** The words by which `readConditions` reads them again. */
export const writeConditions = ({ client, clientNames, countries, continents }: Conditions): ReadonlyArray<string> => [
  ...(client === undefined ? [] : [`client:${network.write(client)}`]),
  ...(clientNames.length === 0 ? [] : [`client_name:${clientNames.join("|")}`]),
  ...(countries.length === 0 ? [] : [`country:${countries.join("|")}`]),
  ...(continents.length === 0 ? [] : [`continent:${continents.join("|")}`])
]
