/** For programs that embed the server: the layer, its configuration, and the ways to move datagrams and octets. */
export { Configuration, ConfigurationError, load } from "./config/configuration.ts"
export { Settings } from "./config/schema/settings.ts"
export { DatagramTransport, SocketError } from "./io/datagram.ts"
export { StreamTransport } from "./io/stream-transport.ts"
export { Listeners } from "./listener/listeners.ts"
export { standaloneLayer } from "./process/server.ts"
export { layerDatagrams } from "./process/transports.ts"
export { Counters } from "./telemetry/counters.ts"
