/** Strand itself, as built in `dist`. */
import { fileURLToPath } from "node:url"
import type { Server } from "./server.ts"

/** Octets that a name takes in the cache at most: room enough that none is evicted. */
const OCTETS_A_NAME = 512

/** @param main the file that is run */
export const strandAt = (name: string, main: string): Server => ({
  name,
  needs: undefined,
  role: "strand",
  hasMeasurableTcp: true,
  hasThreads: true,
  isEncrypted: true,
  files: () => ({}),
  command: ({ port, upstreamPort, cachedNames, waiting, upstreamTimeoutMs, threads, ...encrypted }) => ({
    program: process.execPath,
    args: [main],
    env: {
      DNS_SERVER_LISTEN: `127.0.0.1:${port},tls://127.0.0.1:${encrypted.tlsPort},https://127.0.0.1:${encrypted.httpsPort}/dns-query`,
      DNS_SERVER_TLS_CERTIFICATE_FILE: encrypted.certificateFile,
      DNS_SERVER_TLS_KEY_FILE: encrypted.keyFile,
      DNS_SERVER_UPSTREAMS: `127.0.0.1:${upstreamPort}`,
      DNS_SERVER_WORKERS: String(threads),
      DNS_SERVER_MAX_CONCURRENT_QUERIES: String(waiting),
      DNS_SERVER_CACHE_SIZE_MB: String(Math.ceil((cachedNames * OCTETS_A_NAME) / 2 ** 20)),
      DNS_SERVER_ATTEMPT_TIMEOUT_MS: String(upstreamTimeoutMs),
      DNS_SERVER_ADMIN: "off",
      DNS_SERVER_LOG_LEVEL: "warn"
    }
  })
})

export const strand: Server = strandAt("strand", fileURLToPath(new URL("../../dist/main.js", import.meta.url)))
