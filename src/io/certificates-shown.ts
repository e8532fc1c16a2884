/**
 * Which certificates a client may be shown: those for the name that it asks for, one for each kind of key. It gets the one
 * that it can check, by the signatures that it offers (RFC 8446 §4.4.2.2, RFC 5246 §7.4.2).
 */
import { X509Certificate } from "node:crypto"
import type { KeyPairs } from "./tls-server.ts"

interface Known {
  readonly certificate: X509Certificate
  /** Of the key: `rsa`, `ec`. */
  readonly kind: string | undefined
  readonly names: ReadonlySet<string>
}

export class CertificatesShown {
  private readonly all: ReadonlyArray<Known>
  /** By their places, what clients get that name no host, or one that no certificate is for. */
  private readonly usual: ReadonlyArray<number>

  constructor(keyPairs: KeyPairs) {
    this.all = keyPairs.map((pair) => {
      const certificate = new X509Certificate(pair.certificate)
      const { publicKey, subjectAltName = "" } = certificate
      return {
        certificate,
        kind: publicKey.asymmetricKeyType,
        names: new Set(subjectAltName.toLowerCase().split(", "))
      }
    })
    const [first] = this.all
    this.usual = this.oneOfEachKind(({ names }) => [...first!.names].every((name) => names.has(name)))
  }

  get certificates(): ReadonlyArray<X509Certificate> {
    return this.all.map(({ certificate }) => certificate)
  }

  /**
   * @param name that the client asks for; undefined for none
   * @returns places among the key pairs, in their order
   */
  placesFor(name: string | undefined): ReadonlyArray<number> {
    if (name === undefined) return this.usual
    const places = this.oneOfEachKind(({ certificate }) => certificate.checkHost(name) !== undefined)
    return places.length === 0 ? this.usual : places
  }

  private oneOfEachKind(isWanted: (known: Known) => boolean): ReadonlyArray<number> {
    const places: Array<number> = []
    const kinds = new Set<string | undefined>()
    for (const [place, known] of this.all.entries()) {
      if (kinds.has(known.kind) || !isWanted(known)) continue
      kinds.add(known.kind)
      places.push(place)
    }
    return places
  }
}
