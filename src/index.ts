/** For programs that embed the server: the layer, its configuration, and the ways to move datagrams. */
export { Configuration, ConfigurationError, load } from "./config/configuration.ts"
export { Settings } from "./config/schema.ts"
export { DatagramTransport, SocketError } from "./io/datagram.ts"
export { layer as layerPortableDatagrams } from "./io/datagram-portable.ts"
export { Listeners } from "./listener/listeners.ts"
export { serverLayer } from "./process/server.ts"
export { Counters } from "./telemetry/counters.ts"
