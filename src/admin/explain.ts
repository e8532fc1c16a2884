/**
 * What becomes of a question from a client, step by step: by the same compiled policy, cache and upstreams as the query
 * itself, without asking unless that is wanted.
 */
import packet from "dns-packet"
import { Effect } from "effect"
import { COMMON_VIEW } from "../config/codec/rule.ts"
import { nameUpstream } from "../config/codec/upstream-address.ts"
import { Flag, rcodeName, Type } from "../dns/codes.ts"
import { COOKIE_SECRET_SIZE } from "../dns/cookie.ts"
import { formatName } from "../dns/name.ts"
import { Query, readQuery, Verdict } from "../dns/query.ts"
import { type Question, questionOf } from "../dns/question.ts"
import { typeName } from "../dns/record-types.ts"
import type { AnswerMessage } from "../dns/reply.ts"
import { HEADER_SIZE, putU16, u16 } from "../dns/wire.ts"
import { Geography, Locations } from "../geo/geography.ts"
import { namedPeer, TextPeer } from "../io/peer.ts"
import { compilePolicy } from "../policy/policy.ts"
import type { NotDone } from "../process/asks.ts"
import { inSlices } from "../runtime/slices.ts"
import type { ExplainStep, Explanation } from "./api/queries.ts"
import { viewsOf } from "./cache-entries.ts"
import { recordLine, recordsOf } from "./records-text.ts"
import type { AdminSources } from "./sources.ts"
import { statusOfAttempt } from "./views/steps.ts"

type Step = typeof ExplainStep.Type

export interface Asked {
  /** Wire form. */
  readonly name: Uint8Array
  readonly type: number
  readonly client: string
  /** What the client calls itself; undefined for nothing. */
  readonly clientName: string | undefined
  /** Whether upstreams are asked where nothing else answers. */
  readonly isToBeAsked: boolean
}

export const explain = (sources: AdminSources, asked: Asked): Effect.Effect<typeof Explanation.Type, NotDone> =>
  Effect.gen(function* () {
    const { cache, configuration, supervisor } = sources
    const settings = configuration.current()
    const geography = Geography.over(() => locations)
    const locations = new Locations(supervisor.locations())
    const policy = yield* inSlices(() => compilePolicy(settings, geography, new Uint8Array(COOKIE_SECRET_SIZE)))
    const client = namedPeer(new TextPeer({ address: asked.client, port: 53_000 }), asked.clientName)
    const query = new Query()
    const wire = messageFor(asked)
    const steps: Array<Step> = []
    const say = (step: string, outcome: string, detail: string, isFinal = false): void => {
      steps.push({ step, outcome, detail, isFinal })
    }
    const done = (answer: (typeof Explanation.Type)["answer"] = null): typeof Explanation.Type => ({
      name: formatName(asked.name),
      type: typeName(asked.type),
      client: asked.client,
      steps,
      answer
    })

    const verdict = readQuery(query, wire, wire.length)
    if (verdict !== Verdict.Accept) {
      say("query", "refused", `such a query is answered ${rcodeName(verdict)}`, true)
      return done()
    }
    if (!policy.mayAsk(client)) {
      say("acl", "denied", policy.refuses ? "not in `allow`: REFUSED" : "not in `allow`: dropped", true)
      return done()
    }
    say("acl", "allowed", "in one of the networks of `allow`")
    policy.note(query, client)
    const local = policy.findLocal?.(query, client)
    if (local !== undefined) {
      say("local", "answered", answerText(local), true)
      return done()
    }
    say("local", "none", policy.findLocal === undefined ? "there are no local answers" : "no local answer for it")
    const special = policy.findSpecial?.(query, client)
    if (special !== undefined) {
      say("special", "answered", `a special name: ${answerText(special)}`, true)
      return done()
    }
    const minimal = query.type === Type.ANY ? policy.findAny?.(query, client) : undefined
    if (minimal !== undefined) {
      say("any", "answered", `any_queries is minimal: ${answerText(minimal)}`, true)
      return done()
    }
    if (query.type === Type.ANY && policy.sendsAnyToTcp) {
      say("any", "by TCP", "any_queries is tcp: by UDP an empty answer sends the client to TCP")
    }
    const view = policy.viewOf(query, client)
    const group = viewsOf(settings).get(view)
    say(
      "rule",
      view === COMMON_VIEW ? "none" : "matched",
      view === COMMON_VIEW
        ? "no rule is for it: `upstreams` are asked"
        : `a rule sends it to the group ${group ?? "of another generation"}`
    )
    const question = questionOf(query, view, policy.clientContextOf(query, client, view))
    cache.tick()
    const kept = cache.peekStale(question)
    const isAlive = kept !== undefined && kept.remainingSeconds > 0
    if (kept === undefined) {
      say("cache", "miss", settings.enableCaching ? "nothing is kept for it" : "nothing is kept: enable_caching is off")
    } else if (isAlive) {
      say(
        "cache",
        "hit",
        `kept for ${kept.ageSeconds} s, ${kept.remainingSeconds} s are left: ${answerText(kept)}`,
        true
      )
    } else {
      const detail = `past its life by ${-kept.remainingSeconds} s; given where upstreams fail (stale_answer: ${settings.staleAnswer})`
      say("cache", "stale", detail, settings.staleAnswer === "at-once" && settings.cacheStaleSecs > 0)
    }
    sayUpstreams(sources, question, group, say)
    if (!asked.isToBeAsked) return done()
    const told = yield* supervisor.ask({ kind: "resolve", question })
    if (told.kind !== "resolved") return done()
    const { attempts, error, tookMs, wire: answer } = told
    say("asked", answer === undefined ? "failed" : "answered", error, !isAlive)
    return done({
      rcode: answer === undefined ? "SERVFAIL" : rcodeName(u16(answer, 2) & Flag.RcodeMask),
      tookMs,
      records: answer === undefined ? [] : recordsOf(answer, 0).map(recordLine),
      attempts: attempts.map(({ upstream, transport, outcome, rcode, fromMs, toMs }) => ({
        name: "upstream.attempt",
        fromMs: Math.max(0, fromMs),
        toMs,
        status: statusOfAttempt(outcome),
        detail: [upstream, transport, outcome, ...(rcode < 0 ? [] : [rcodeName(rcode)])].join(" "),
        depth: 1
      }))
    })
  })

/** The order of the policy as far as it is known beforehand, and what would keep one from being asked. */
const sayUpstreams = (
  { configuration, supervisor }: AdminSources,
  { view }: Question,
  groupName: string | undefined,
  say: (step: string, outcome: string, detail: string) => void
): void => {
  const settings = configuration.current()
  const group = view === COMMON_VIEW ? undefined : settings.groups.find(({ name }) => name === groupName)
  const policy = group?.policy ?? settings.upstreamPolicy
  const members = (group?.upstreams ?? settings.upstreams).map(nameUpstream)
  say("group", group?.name ?? "upstreams", `policy ${policy}: ${policyTexts[policy] ?? ""}`)
  const states = new Map(supervisor.upstreams().map((status) => [status.name, status]))
  for (const name of members) {
    const status = states.get(name)
    const ms = status?.meanMs === undefined ? "not asked yet" : `${status.meanMs.toFixed(1)} ms on average`
    const state = status?.isDrained === true ? "drained" : (status?.state ?? "closed")
    say("upstream", state === "closed" ? "may be asked" : state, `${name}: ${ms}`)
  }
  const { attemptTimeoutMs, queryTimeoutSecs, retries } = settings
  say(
    "time",
    "limited",
    `the next attempt begins after ${attemptTimeoutMs} ms at the latest (attempt_timeout_ms), ${retries} attempts follow a late one (retries), and after ${queryTimeoutSecs} s the query is given up (query_timeout_secs)`
  )
}

const policyTexts: Readonly<Record<string, string>> = {
  ordered: "as written",
  "round-robin": "in turn, by weight",
  "least-busy": "the one with the fewest questions under way",
  fastest: "the faster of the last winner and another",
  parallel: "several at once",
  hash: "the same for the same name",
  geo: "the nearest to the client"
}

const answerText = ({ wire, length }: AnswerMessage): string => {
  const records = recordsOf(wire.subarray(0, length), 0).filter(({ section }) => section === "answer")
  const rcode = rcodeName(u16(wire, 2) & Flag.RcodeMask)
  return records.length === 0 ? rcode : `${rcode} ${records.map(({ type, data }) => `${type} ${data}`).join(", ")}`
}

/** A query as most clients send it, with EDNS. */
const messageFor = ({ name, type }: Asked): Uint8Array => {
  const template = packet.encode({
    type: "query",
    flags: packet.RECURSION_DESIRED,
    questions: [],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: []
      }
    ]
  })
  const wire = new Uint8Array(template.length + name.length + 4)
  wire.set(template.subarray(0, HEADER_SIZE))
  wire.set(name, HEADER_SIZE)
  putU16(wire, HEADER_SIZE + name.length, type)
  putU16(wire, HEADER_SIZE + name.length + 2, 1)
  wire.set(template.subarray(HEADER_SIZE), HEADER_SIZE + name.length + 4)
  putU16(wire, 4, 1)
  return wire
}
