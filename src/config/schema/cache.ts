/** What is kept, and how long. */
import { number, section, truth, word } from "./setting.ts"

export const cache = section("Cache", {
  enableCaching: {
    schema: truth,
    default: "true",
    touches: ["query", "table"],
    meaning: "whether answers are kept"
  },
  cacheSizeMb: {
    schema: number({ min: 1, max: 16_384, unit: "MiB" }),
    default: "64",
    touches: ["table"],
    meaning: "MiB that the cache may take"
  },
  cacheMinTtlSecs: {
    schema: number({ min: 0, max: 86_400, unit: "seconds" }),
    default: "0",
    touches: ["table", "upstream"],
    meaning: "seconds that an answer is kept at least"
  },
  cacheMaxTtlSecs: {
    schema: number({ min: 0, max: 604_800, unit: "seconds" }),
    default: "86400",
    touches: ["table", "upstream"],
    meaning: "seconds that an answer is kept at most"
  },
  cacheMaxNegativeTtlSecs: {
    schema: number({ min: 0, max: 604_800, unit: "seconds" }),
    default: "3600",
    touches: ["table", "upstream"],
    meaning:
      "seconds that a negative answer (no such name, no such record) is kept at most, also where cache_min_ttl_secs is more"
  },
  cacheStaleSecs: {
    schema: number({ min: 0, max: 604_800, unit: "seconds" }),
    default: "86400",
    touches: ["query", "table"],
    meaning: "seconds past its life that an answer may still be given when no fresh one comes; 0 for never"
  },
  staleAnswer: {
    schema: word("when-failing", "at-once"),
    default: "when-failing",
    touches: ["query"],
    meaning:
      "when an answer past its life is given: when-failing, where upstreams fail or are slow, or at-once, while a fresh one is fetched"
  },
  cachePrefetch: {
    schema: truth,
    default: "true",
    touches: ["query"],
    meaning: "whether answers that are asked for are fetched anew before they expire"
  }
})
