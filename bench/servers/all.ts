/** Strand, its peers and the floor, in the order in which they are asked and shown. */
import { dnsdist } from "./dnsdist.ts"
import { dnsmasq } from "./dnsmasq.ts"
import { floor } from "./floor.ts"
import { knotResolver } from "./knot-resolver.ts"
import { pdnsRecursor } from "./pdns-recursor.ts"
import type { Server } from "./server.ts"
import { strand } from "./strand.ts"
import { unbound } from "./unbound.ts"

export const allServers: ReadonlyArray<Server> = [strand, unbound, dnsmasq, dnsdist, pdnsRecursor, knotResolver, floor]
