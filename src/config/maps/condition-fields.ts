/** Whom a rule or a local answer is for, as keys of its map: `client`, `client_name`, `country`, `continent`. */
import { Result } from "effect"
import { CLIENT_NAME_EXPECTED, CLIENT_NAME_PATTERN, readClientName } from "../../io/client-name.ts"
import { CONTINENTS, type Conditions, isCountry } from "../codec/conditions.ts"
import { network } from "../codec/network.ts"
import type { TextForm } from "../codec/text-form.ts"
import { NETWORK_PATTERN } from "../schema/patterns.ts"
import { fromText } from "../schema/setting.ts"
import { field, oneOrMore, type Wrong } from "./map.ts"

const code = (isRight: (text: string) => boolean, expected: string): TextForm<string> => ({
  read: (text) => {
    const upper = text.toUpperCase()
    return isRight(upper) ? Result.succeed(upper) : Result.fail(expected)
  },
  write: (text) => text
})

const country = fromText(code(isCountry, "an ISO 3166 code of two letters, such as DE"), {
  kind: "text",
  pattern: "^[A-Za-z]{2}$",
  examples: ["DE", "AT"]
})

const clientName = fromText(
  {
    read: (text: string) => Result.fromNullishOr(readClientName(text), () => CLIENT_NAME_EXPECTED),
    write: (text: string) => text
  },
  {
    kind: "text",
    pattern: CLIENT_NAME_PATTERN,
    isMaybeNumber: true,
    examples: ["laptop", "phone"]
  }
)

const continent = fromText(
  code((text) => CONTINENTS.includes(text), `one of ${CONTINENTS.join(", ")}`),
  {
    kind: "word",
    words: CONTINENTS,
    isAnyCase: true
  }
)

export const conditionFields = {
  client: field(
    oneOrMore(fromText(network, { kind: "text", pattern: `^${NETWORK_PATTERN}$`, examples: ["10.0.0.0/8"] })),
    "for queries of clients in this network only"
  ),
  client_name: field(
    oneOrMore(clientName),
    "for clients that call themselves so, where they ask by TLS or HTTPS; anybody may"
  ),
  country: field(oneOrMore(country), "for clients in one of these countries only; geo_database says where they are"),
  continent: field(oneOrMore(continent), "for clients on one of these continents only")
}

interface ConditionKeys {
  readonly client?: ReadonlyArray<NonNullable<Conditions["client"]>>
  readonly client_name?: ReadonlyArray<string>
  readonly country?: ReadonlyArray<string>
  readonly continent?: ReadonlyArray<string>
}

export const conditionsOf = ({
  client = [],
  client_name: clientNames = [],
  country: countries = [],
  continent: continents = []
}: ConditionKeys) =>
  client.length > 1
    ? Result.fail<Wrong>({ key: "client", expected: "one network: a rule or an answer for each" })
    : Result.succeed<Conditions>({ client: client[0], clientNames, countries, continents })

export const keysOf = ({ client, clientNames, countries, continents }: Conditions): ConditionKeys => ({
  ...(client === undefined ? {} : { client: [client] }),
  ...(clientNames.length === 0 ? {} : { client_name: clientNames }),
  ...(countries.length === 0 ? {} : { country: countries }),
  ...(continents.length === 0 ? {} : { continent: continents })
})
