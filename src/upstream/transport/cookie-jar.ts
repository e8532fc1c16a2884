/**
 * The cookies that one thread and one address of an upstream know each other by (RFC 7873 §5.1, §5.3): ours, drawn at
 * random, comes back in every reply of who got the question, and who has learned to expect the server's own is not
 * deceived by a reply without one.
 */
import { randomFillSync } from "node:crypto"
import { OPTION_COOKIE } from "../../dns/codes.ts"
import { CLIENT_COOKIE_SIZE, MAX_COOKIE_SIZE, MIN_WHOLE_COOKIE_SIZE } from "../../dns/cookie.ts"
import type { Option } from "../../dns/question.ts"

/** What a reply's cookie shows. */
export type Proof =
  /** It may be taken. */
  | "proven"
  /** Whoever sent it did not see the question. */
  | "forged"
  /** It lacks what the upstream's replies have: asked again by TCP, it is known for sure. */
  | "unproven"

/** After so long another one is drawn (RFC 7873 §7.1). */
const LIVES_MS = 86_400_000

export class CookieJar {
  /** What is sent: our part, and the server's as it came last. */
  private cookie: Uint8Array = randomFillSync(new Uint8Array(CLIENT_COOKIE_SIZE))
  /** The same as an option, alone. */
  options: ReadonlyArray<Option> = [{ code: OPTION_COOKIE, data: this.cookie }]

  private readonly drawnMs: number

  constructor(nowMs: number) {
    this.drawnMs = nowMs
  }

  isOld(nowMs: number): boolean {
    return nowMs - this.drawnMs >= LIVES_MS
  }

  /** Whether the server gives cookies. */
  get isSupported(): boolean {
    return this.cookie.length > CLIENT_COOKIE_SIZE
  }

  /** @param cookie of the reply; undefined where it has none */
  judge(cookie: Uint8Array | undefined): Proof {
    if (cookie === undefined) return this.isSupported ? "unproven" : "proven"
    if (cookie.length < CLIENT_COOKIE_SIZE || cookie.length > MAX_COOKIE_SIZE) return "forged"
    for (let i = 0; i < CLIENT_COOKIE_SIZE; i++) if (cookie[i] !== this.cookie[i]) return "forged"
    // Some give back any option that they do not know.
    if (cookie.length < MIN_WHOLE_COOKIE_SIZE) return this.isSupported ? "unproven" : "proven"
    if (!isSame(cookie, this.cookie)) this.keep(cookie.slice())
    return "proven"
  }

  /** The server gives none any more. */
  forget(): void {
    this.keep(this.cookie.slice(0, CLIENT_COOKIE_SIZE))
  }

  private keep(cookie: Uint8Array): void {
    this.cookie = cookie
    this.options = [{ code: OPTION_COOKIE, data: cookie }]
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((octet, i) => octet === b[i])
