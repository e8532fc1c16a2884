/** What an editor says of a configuration file: by the JSON Schema that is made of the settings. */
import { Ajv } from "ajv"
import { parse } from "yaml"
import { jsonSchema } from "../../../src/config/describe/json-schema.ts"

const validate = new Ajv({ strict: false, allErrors: true }).compile(jsonSchema())

/** Nothing, where it would load as far as can be seen. */
export const saidByEditor = (text: string): ReadonlyArray<string> =>
  validate(parse(text, { merge: true }) ?? {})
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`)
