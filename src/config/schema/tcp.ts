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
  tcpConnectionRate: {
    schema: number({ min: 0, max: 100_000, integer: false }),
    default: "0",
    touches: ["listener"],
    meaning: "connections a second that a client network may open, by TCP, TLS and HTTP together; 0 for any number"
  },
  tcpMaxQueries: {
    schema: number({ min: 0, max: 10_000_000 }),
    default: "0",
    touches: ["listener"],
    meaning: "queries after which a connection takes no more, and is closed when they are answered; 0 for never"
  },
  tcpMaxSecs: {
    schema: number({ min: 0, max: 86_400, integer: false, unit: "seconds" }),
    default: "0",
    touches: ["listener"],
    meaning: "seconds after which a connection takes no more queries, and is closed when they are answered; 0 for never"
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
