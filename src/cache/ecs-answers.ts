/**
 * ECS answers: answers that depend on the client's network, in the table beside all others (RFC 7871 §7.3.1).
 *
 * An answer is stored under the part of the question's network that its scope covers, octet for octet. It is looked up
 * under the question's network and under every wider one of a scope that was seen. An answer for all clients is stored
 * like any other answer.
 *
 * An answer that supersedes others, but may not be cached itself, leaves a mark: answers older than the mark, for any
 * network within the mark's, are not given any more (RFC 8767 §4).
 */
import { isForAll, prefixOf, type Subnet, widen, writeScope } from "../dns/subnet.ts"
import { MAX_MESSAGE_SIZE } from "../dns/wire.ts"
import { EcsScopes } from "./ecs-scopes.ts"
import { NETWORK_SIZE } from "./table/entry.ts"
import type { Key } from "./table/key.ts"
import type { AnswerTable, CachedAnswer } from "./table/table.ts"

export class EcsAnswers {
  private readonly table: AnswerTable
  private ecsScopes: EcsScopes | undefined

  constructor(table: AnswerTable) {
    this.table = table
  }

  /**
   * The answer for clients of the network: one that is alive, the longest scope first; else the one that was stored
   * last. It is valid until the next lookup.
   *
   * @param key of the question as it is for everybody, its hash taken; its hash is the network's own afterwards
   */
  find(key: Key, subnet: Subnet): CachedAnswer | undefined {
    const common = key.hash
    /** The prefix at which the youngest answer past its life was found. */
    let stale = -1
    let youngest = Number.POSITIVE_INFINITY
    let marked = Number.POSITIVE_INFINITY
    for (let prefix = OWN; ; prefix = this.nextPrefix(common, subnet, prefix)) {
      const found = this.lookup(key, subnet, prefix)
      if (found !== undefined) {
        const { ageSeconds } = found
        if (isMark(found)) {
          marked = Math.min(marked, ageSeconds)
        } else if (found.remainingSeconds > 0 && ageSeconds <= marked) {
          this.restore(key, subnet)
          return found
        } else if (ageSeconds < youngest) {
          stale = prefix
          youngest = ageSeconds
        }
      }
      if (prefix === 0) break
    }
    return this.findAgain(key, subnet, youngest < marked ? stale : -1)
  }

  /** @param key of the question as it is for everybody, its hash taken */
  store(key: Key, subnet: Subnet, wire: Uint8Array, ttlSeconds: number, scope: number): boolean {
    this.enter(key, subnet, scope)
    // The network has to fit behind it.
    const fits = isForAll(subnet, scope) || wire.length + NETWORK_SIZE <= MAX_MESSAGE_SIZE
    return fits && this.table.store(key, wire, ttlSeconds, scope)
  }

  /**
   * Removes what was kept before for the network itself, and for wider ones within that of an answer that has just been
   * stored: the network's own older answer would go on being found first.
   *
   * @param key of the question as it is for everybody, its hash taken
   * @param question a message that has no more than a header and the question
   * @param scope of the answer that was stored
   */
  removeNarrower(key: Key, subnet: Subnet, question: Uint8Array, scope: number): void {
    const common = key.hash
    const { now } = this.table
    let kept = 0
    if (!isForAll(subnet, scope)) {
      writeScope(subnet, scope, key.network)
      kept = prefixOf(key.network)
    }
    const own = prefixOf(subnet)
    for (let prefix = OWN; (prefix === OWN ? own : prefix) > kept; prefix = this.nextPrefix(common, subnet, prefix)) {
      if (this.lookup(key, subnet, prefix) !== undefined) this.table.remove(key, question, now)
    }
  }

  /**
   * Leaves a mark where an answer of that scope would be kept, and at the network itself: another thread may not know
   * the scope.
   *
   * @param key of the question as it is for everybody, its hash taken
   * @param question a message that has no more than a header and the question
   */
  mark(key: Key, subnet: Subnet, question: Uint8Array, scope: number): boolean {
    this.enter(key, subnet, scope)
    const isMarked = this.table.mark(key, question, scope)
    this.restore(key, subnet)
    return this.table.mark(key, question, scope) && isMarked
  }

  /** Makes the key the one under which an answer of that scope is kept, and notes the scope. */
  private enter(key: Key, subnet: Subnet, scope: number): void {
    if (isForAll(subnet, scope)) return
    const common = key.hash
    writeScope(subnet, scope, key.network)
    const prefix = prefixOf(key.network)
    if (prefix > 0) {
      this.ecsScopes ??= new EcsScopes()
      this.ecsScopes.note(common, prefix)
    }
    key.forNetwork()
    this.table.hash(key)
  }

  /** From the network itself to wider ones, down to 0 for everybody. */
  private nextPrefix(common: number, subnet: Subnet, prefix: number): number {
    if (this.ecsScopes === undefined) return 0
    return this.ecsScopes.before(common, prefix === OWN ? prefixOf(subnet) + 1 : prefix)
  }

  private lookup(key: Key, subnet: Subnet, prefix: number): CachedAnswer | undefined {
    if (prefix === 0) key.forEverybody()
    else if (prefix === OWN) {
      key.network.set(subnet)
      key.forNetwork()
    } else {
      widen(subnet, key.network, prefix)
      key.forNetwork()
    }
    this.table.hash(key)
    return this.table.lookup(key)
  }

  private findAgain(key: Key, subnet: Subnet, stale: number): CachedAnswer | undefined {
    const found = stale < 0 ? undefined : this.lookup(key, subnet, stale)
    this.restore(key, subnet)
    return found
  }

  private restore(key: Key, subnet: Subnet): void {
    key.network.set(subnet)
    key.forNetwork()
    this.table.hash(key)
  }
}

/** A mark is an entry whose whole life is zero seconds. */
const isMark = ({ ageSeconds, remainingSeconds }: CachedAnswer): boolean => ageSeconds + remainingSeconds === 0

/** The network as it was asked for, whatever its prefix. */
const OWN = 129
