/** Who may ask: networks compiled to numbers, so that a packet's client is checked in a few comparisons. */
import { Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

/** Clients whose verdict is remembered at most; past that the memory starts anew. */
const MAX_REMEMBERED = 4096

/** A test of addresses as sockets report them: `192.0.2.1`, `fe80::1%eth0`, `::ffff:192.0.2.1`. */
export const makeAccess = (networks: ReadonlyArray<IpNetwork.IpNetwork>): ((address: string) => boolean) => {
  const verdicts = new Map<string, boolean>()
  return (address) => {
    const known = verdicts.get(address)
    if (known !== undefined) return known
    const parsed = NetAddress.ipFromString(address.split("%", 1)[0]!)
    const client = Result.isSuccess(parsed) ? NetAddress.toCanonical(parsed.success) : undefined
    const isAllowed = client !== undefined && networks.some((network) => IpNetwork.contains(network, client))
    if (verdicts.size >= MAX_REMEMBERED) verdicts.clear()
    verdicts.set(address, isAllowed)
    return isAllowed
  }
}
