/** Where a server that listens is reached from the same machine. */
import { type Endpoint, isIPv6Endpoint, isWildcard } from "../io/endpoint.ts"

/** One that listens at all addresses is reached by loopback. */
export const reachable = (listening: Endpoint): Endpoint =>
  isWildcard(listening) ? { address: isIPv6Endpoint(listening) ? "::1" : "127.0.0.1", port: listening.port } : listening
