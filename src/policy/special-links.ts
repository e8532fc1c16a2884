/**
 * Special names that CNAMEs of upstreams lead to: answered here, as when a client asks for them.
 *
 * One answer with CNAMEs serves many clients, so the conditions of rules do not count here: a target that any rule
 * names is asked for upstream.
 */
import type { Settings } from "../config/schema/settings.ts"
import { Query, readQuery } from "../dns/query.ts"
import { type Question, writeQuery } from "../dns/question.ts"
import { copyOf } from "../dns/wire.ts"
import { TextPeer } from "../io/peer.ts"
import type { Answer } from "../upstream/answer.ts"
import { makeRouter } from "./router.ts"
import { makeSpecialNames, TTL_SECONDS } from "./special-names.ts"

const anyClient = new TextPeer({ address: "0.0.0.0", port: 0 })
/** Room for a question without options. */
const QUERY_SIZE = 300

/** Makes the function that answers a CNAME target's question; undefined where it has to be asked for upstream. */
export const makeSpecialLinks = (
  settings: Pick<Settings, "groups" | "localAnswers" | "rules" | "specialNames">
): ((question: Question) => Answer | undefined) => {
  const rules = settings.rules.map((rule) => ({
    ...rule,
    client: undefined,
    clientNames: [],
    countries: [],
    continents: [],
    except: []
  }))
  const find = makeSpecialNames(settings.specialNames, settings, makeRouter(settings.groups, rules))
  if (find === undefined) return () => undefined
  const query = new Query()
  const wire = new Uint8Array(QUERY_SIZE)
  return (question) => {
    readQuery(query, wire, writeQuery(wire, 0, question, 0, false, []))
    const found = find(query, anyClient)
    if (found === undefined) return undefined
    return {
      wire: copyOf(found.wire, 0, found.length),
      ttlSeconds: TTL_SECONDS,
      continuesAt: undefined,
      scope: 0
    }
  }
}
