/**
 * The steps of an exchange, from the inside out. Each does one thing and passes the rest on:
 *
 * 1. the upstreams are asked, and what they answer is cached (`caching-exchange.ts`);
 * 2. one question is asked for a few client networks at once, where it depends on them (`network-limit.ts`);
 * 3. the shared cache is asked before, where there is one (`shared-cache-lookup.ts`).
 */
import { Effect } from "effect"
import { makeCachingExchange } from "./caching-exchange.ts"
import type { Join } from "./coalescer.ts"
import { limitNetworks } from "./network-limit.ts"
import { askSharedCacheFirst } from "./shared-cache-lookup.ts"

/** @param join how the targets of an answer's CNAMEs are asked for */
export const makeExchangeSteps = (join: Join) =>
  makeCachingExchange(join).pipe(Effect.flatMap(limitNetworks), Effect.flatMap(askSharedCacheFirst))
