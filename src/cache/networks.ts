/**
 * Answers that differ by the client's network, in the table beside all others (RFC 7871 §7.3.1).
 *
 * An answer is kept under the network that its scope makes of the question's, octet for octet, and looked for under the
 * question's network and every wider one of a scope that was seen; one for everybody is kept as any other answer is.
 */
import { isForAll, prefixOf, type Subnet, widen, writeScope } from "../dns/subnet.ts"
import { MAX_MESSAGE_SIZE } from "../dns/wire.ts"
import { NETWORK_SIZE } from "./entry.ts"
import type { Key } from "./key.ts"
import { Scopes } from "./scopes.ts"
import type { AnswerTable, CachedAnswer } from "./table.ts"

export class Networks {
  private readonly table: AnswerTable
  private scopes: Scopes | undefined

  constructor(table: AnswerTable) {
    this.table = table
  }

  /**
   * The answer for clients of the network, one that is alive before one that is not. Valid until the next lookup.
   *
   * @param key of the question as it is for everybody, its hash taken; its hash is the network's own afterwards
   */
  find(key: Key, subnet: Subnet): CachedAnswer | undefined {
    const common = key.hash
    /** The prefix at which an answer past its life was found first. */
    let stale = -1
    let prefix = OWN
    for (;;) {
      const found = this.lookup(key, subnet, prefix)
      if (found !== undefined) {
        if (found.remainingSeconds > 0 || prefix === 0) {
          const isBest = found.remainingSeconds > 0 || stale < 0
          this.restore(key, subnet)
          return isBest ? found : this.findAgain(key, subnet, stale)
        }
        if (stale < 0) stale = prefix
      }
      if (prefix === 0) break
      prefix = this.nextPrefix(common, subnet, prefix)
    }
    return this.findAgain(key, subnet, stale)
  }

  /** @param key of the question as it is for everybody, its hash taken */
  store(key: Key, subnet: Subnet, wire: Uint8Array, ttlSeconds: number, scope: number): void {
    if (!isForAll(subnet, scope)) {
      const common = key.hash
      writeScope(subnet, scope, key.network)
      const prefix = prefixOf(key.network)
      if (prefix > 0) {
        this.scopes ??= new Scopes()
        this.scopes.note(common, prefix)
      }
      key.forNetwork()
      this.table.hash(key)
      // The network has to fit behind it.
      if (wire.length + NETWORK_SIZE > MAX_MESSAGE_SIZE) return
    }
    this.table.store(key, wire, ttlSeconds, scope)
  }

  /** From the network itself to wider ones, down to 0 for everybody. */
  private nextPrefix(common: number, subnet: Subnet, prefix: number): number {
    if (this.scopes === undefined) return 0
    return this.scopes.before(common, prefix === OWN ? prefixOf(subnet) + 1 : prefix)
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

/** The network as it was asked for, whatever its prefix. */
const OWN = 129
