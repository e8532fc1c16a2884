/** The settings by which upstreams' answers are rewritten, as the wire needs them: as they are when they are looked at. */
import { type IpNetwork, NetAddress } from "effect/net"
import { type AddressRange, Rebinding } from "../dns/rebinding.ts"
import type { AnswerRules } from "../dns/response.ts"
import type { Configuration } from "./live-configuration.ts"
import type { Settings } from "./schema/settings.ts"

export const answerRulesOf = ({ current }: Configuration["Service"]): AnswerRules => {
  let compiledFrom: Settings | undefined
  let rebinding: Rebinding | undefined
  return {
    get minSeconds() {
      return current().cacheMinTtlSecs
    },
    get maxSeconds() {
      return current().cacheMaxTtlSecs
    },
    get maxNegativeSeconds() {
      return current().cacheMaxNegativeTtlSecs
    },
    get rebinding() {
      const settings = current()
      if (settings !== compiledFrom) {
        compiledFrom = settings
        rebinding = compileRebinding(settings)
      }
      return rebinding
    }
  }
}

const compileRebinding = ({
  rebindAllowNames,
  rebindAllowNetworks,
  rebindProtection
}: Settings): Rebinding | undefined =>
  rebindProtection ? new Rebinding(rebindAllowNames, rebindAllowNetworks.map(rangeOf)) : undefined

const rangeOf = ({ address, prefixLength }: IpNetwork.IpNetwork): AddressRange => ({
  octets: Uint8Array.from(
    NetAddress.isIpv4Address(address) ? NetAddress.ipv4ToOctets(address) : NetAddress.ipv6ToOctets(address)
  ),
  prefixLength
})
