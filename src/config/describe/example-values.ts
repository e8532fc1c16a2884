/** What stands in the example for settings that have no default, or one that shows nothing of their form. */
import type { SettingName } from "../schema/settings.ts"

/** YAML as it stands behind the setting's name. */
export const exampleValues: { readonly [Name in SettingName]?: string } = {
  listen: "[127.0.0.1:1053]",
  serverId: "ams-1",
  serverVersion: "strand",
  cookieSecrets: "[e5e973e5a6b2a43f48e7dc849e37bfcf]",
  rateLimitBurst: "200",
  rebindAllowNames: "[corp.example]",
  rebindAllowNetworks: "[10.1.0.0/16]",
  runAs: "strand",
  upstreams: `
  - { name: quad9, address: 9.9.9.9, protocol: tls, server_name: dns.quad9.net }
  - { address: dns.google, protocol: https, path: /dns-query }
  - 1.1.1.1`,
  bootstrap: "[9.9.9.9, 149.112.112.112]",
  tlsCaFile: "/etc/strand/ca.pem",
  upstreamPolicy: "fastest",
  groups: `
  corp:
    upstreams: [10.1.0.1, { address: 10.1.0.2, weight: 3 }]
    policy: ordered`,
  rules: `
  - { suffix: corp.example, except: [public.corp.example], group: corp }
  - { suffix: 10.in-addr.arpa, client: 10.0.0.0/8, group: corp }`,
  geoDatabase: "/var/lib/GeoIP/GeoLite2-City.mmdb",
  ecsTrust: "[10.0.0.53]",
  localAnswers: `
  - { name: nas.home, addresses: [192.168.1.7, "fd00::7"] }
  - { name: "*.apps.home", addresses: 192.168.1.8, ttl: 60 }
  - { name: home, type: MX, data: 10 mail.home, client: 10.0.0.0/8 }
  - { name: home, text: v=spf1 -all }`,
  specialNames: "[localhost, invalid, onion, alt, resolver.arpa, home.arpa, service.arpa, reserved, private]",
  maxQueuedQueries: "1000",
  redisUrl: "redis://redis.example:6379",
  workers: "4",
  traceContextFrom: "[10.0.0.53]",
  traceContextTo: "[quad9]",
  logFormat: "json",
  otelEndpoint: "http://localhost:4318",
  otelTracesEndpoint: "http://localhost:4318/v1/traces",
  otelLogsEndpoint: "http://localhost:4318/v1/logs",
  otelMetricsEndpoint: "http://localhost:4318/v1/metrics",
  otelTracesProtocol: "http/json",
  otelTimeout: "3000",
  otelTracesTimeout: "3000",
  otelServiceName: "strand",
  queryLogFile: "/var/log/strand/queries.jsonl",
  queryLogDnstap: "unix:/run/dnstap.sock",
  queryLogStore: "/var/lib/strand/queries",
  queryLogNames: "[corp.example]",
  adminToken: "a-secret-of-16-or-more",
  adminReadToken: "another-secret-of-16",
  adminHosts: "[dns.example.net]",
  adminTlsCertificateFile: "/etc/strand/admin.pem",
  adminTlsKeyFile: "/etc/strand/admin.key"
}
