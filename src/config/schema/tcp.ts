/** Clients' TCP connections. */
import { number, section } from "./setting.ts"

export const tcp = section("TCP", {
  maxTcpConnections: {
    schema: number({ min: 1, max: 100_000 }),
    default: "1000",
    touches: ["listener"],
    meaning: "TCP connections at once"
  },
  maxTcpConnectionsPerClient: {
    schema: number({ min: 1, max: 100_000 }),
    default: "100",
    touches: ["listener"],
    meaning: "TCP connections at once from one address"
  },
  tcpIdleTimeoutSecs: {
    schema: number({ min: 0.1, max: 3600, integer: false, unit: "seconds" }),
    default: "10",
    touches: ["listener"],
    meaning: "seconds after which a TCP connection with nothing to do is closed"
  },
  tcpReceiveTimeoutSecs: {
    schema: number({ min: 0.1, max: 3600, integer: false, unit: "seconds" }),
    default: "5",
    touches: ["listener"],
    meaning: "seconds that a query by TCP may take to arrive, once begun"
  },
  tcpSendTimeoutSecs: {
    schema: number({ min: 0.1, max: 3600, integer: false, unit: "seconds" }),
    default: "5",
    touches: ["listener"],
    meaning: "seconds that a TCP client may leave answers unread"
  }
})
