/** The tier of the cache that servers share. */
import { redisAddress } from "../codec/redis-address.ts"
import { shownUrl, shownWrongUrl } from "../codec/secrets.ts"
import { fromText, optional, section, truth } from "./setting.ts"

export const redis = section("Shared cache", {
  redisUrl: {
    schema: optional(
      fromText(redisAddress, {
        kind: "text",
        pattern: "^[Rr][Ee][Dd][Ii][Ss]{1,2}://\\S+$",
        examples: ["redis://redis.example:6379", "rediss://user:password@redis.example:6380/1"]
      })
    ),
    default: undefined,
    touches: ["table"],
    shown: shownUrl,
    shownWrong: shownWrongUrl,
    meaning: "Redis in which servers share their answers: redis://host:6379, rediss://user:password@host (TLS)"
  },
  configShared: {
    schema: truth,
    default: "false",
    touches: ["process"],
    meaning: "whether settings that are changed while a server runs are changed on all servers on the same Redis"
  }
})
