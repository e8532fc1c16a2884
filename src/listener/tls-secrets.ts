/**
 * What all threads of a server share of TLS: the secret that session tickets are made of, and the certificate that is
 * shown where none is configured. In memory that they share: whoever needs one of them first makes it.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import { Context } from "effect"
import { makeCertificate } from "../io/certificate.ts"
import type { KeyPair } from "../io/tls-server.ts"
import { TICKET_SECRET_OCTETS } from "../io/tls-server.ts"

/** Words at the beginning. */
const Word = { SecretState: 0, SecretVersion: 1, PairState: 2, PairLength: 3 } as const
const WORDS_OCTETS = 64
const PAIR_AT = WORDS_OCTETS + TICKET_SECRET_OCTETS
const PAIR_OCTETS = 4_096

/** Whether something is there: nobody has made it, somebody does, it is. */
const State = { None: 0, Making: 1, There: 2 } as const

const DAY_MS = 86_400_000
/** What a client that keeps to it would hold against a longer one. */
const VALID_DAYS = 397
/** Between certificate and key. */
const SEPARATOR = "\0"

export const tlsSecretMemory = (): SharedArrayBuffer => new SharedArrayBuffer(PAIR_AT + PAIR_OCTETS)

/** The memory of this server's threads; a server of one thread has its own. */
export const TlsSecretMemory: Context.Reference<SharedArrayBuffer> = Context.Reference(
  "strand/listener/TlsSecretMemory",
  { defaultValue: tlsSecretMemory }
)

export class TlsSecrets {
  private readonly words: Int32Array
  private readonly octets: Uint8Array
  private secret: Uint8Array = new Uint8Array(0)
  private secretVersion = 0
  private pair: KeyPair | undefined

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, WORDS_OCTETS / Int32Array.BYTES_PER_ELEMENT)
    this.octets = new Uint8Array(memory)
  }

  /** The same object for as long as it is the same. */
  ticketSecret(): Uint8Array {
    this.once(Word.SecretState, () => this.renew())
    const version = Atomics.load(this.words, Word.SecretVersion)
    if (version !== this.secretVersion) {
      this.secretVersion = version
      this.secret = this.octets.slice(WORDS_OCTETS, WORDS_OCTETS + TICKET_SECRET_OCTETS)
    }
    return this.secret
  }

  /** Makes another secret: tickets that were given before are no good any more. */
  renew(): void {
    this.octets.set(randomBytes(TICKET_SECRET_OCTETS), WORDS_OCTETS)
    Atomics.add(this.words, Word.SecretVersion, 1)
  }

  /** A certificate that nobody vouches for. */
  selfSigned(): KeyPair {
    this.once(Word.PairState, () => {
      const { certificate, key } = makeSelfSigned()
      const text = Buffer.from(`${certificate}${SEPARATOR}${key}`)
      this.octets.set(text, PAIR_AT)
      this.words[Word.PairLength] = text.length
    })
    if (this.pair === undefined) {
      const text = Buffer.from(this.octets.slice(PAIR_AT, PAIR_AT + this.words[Word.PairLength]!)).toString()
      const [certificate = "", key = ""] = text.split(SEPARATOR)
      this.pair = { certificate, key }
    }
    return this.pair
  }

  /** Has it made by one thread; the others wait for it. */
  private once(state: number, make: () => void): void {
    for (;;) {
      const found = Atomics.compareExchange(this.words, state, State.None, State.Making)
      if (found === State.There) return
      if (found === State.Making) {
        Atomics.wait(this.words, state, State.Making)
        continue
      }
      try {
        make()
        Atomics.store(this.words, state, State.There)
      } catch (cause) {
        Atomics.store(this.words, state, State.None)
        throw cause
      } finally {
        Atomics.notify(this.words, state)
      }
    }
  }
}

const makeSelfSigned = (): KeyPair =>
  makeCertificate({
    subject: "strand",
    names: [...new Set([hostname().slice(0, 200), "localhost", "127.0.0.1", "::1"])],
    fromMs: Date.now() - DAY_MS,
    untilMs: Date.now() + VALID_DAYS * DAY_MS
  }).pair
