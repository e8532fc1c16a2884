/** Extended DNS Errors of an answer, all of them (RFC 8914). */
import type { OptAnswer } from "dns-packet"
import { errorName } from "./codes.ts"
import type { ShownError } from "./message.ts"

const EXTENDED_ERROR = 15

export const readExtendedErrors = ({ options }: OptAnswer): ReadonlyArray<ShownError> =>
  options.flatMap(({ code, data }) => {
    if ((code as number) !== EXTENDED_ERROR || data === undefined || data.length < 2) return []
    const error = data.readUInt16BE(0)
    return [{ code: error, name: errorName(error), text: data.subarray(2).toString("utf8").replace(/\0$/, "") }]
  })
