import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { formatEndpoint } from "../../src/io/endpoint.ts"
import { configured, pathOf, TOKEN, textOf, unknownVariables, type Yaml, yamlOf } from "./files.ts"

const compose = yamlOf("deploy/compose.yaml")
const services: Readonly<Record<string, Yaml>> = compose.services
const environment: Record<string, string> = services["strand"].environment

/** As compose fills it in. */
const filledIn = Object.fromEntries(
  Object.entries(environment).map(([name, value]) => [name, value.replace(/^\$\{STRAND_\w+_TOKEN:-\}$/, TOKEN)])
)

const { settings, warnings } = await configured("deploy/strand/strand.yaml", filledIn)

describe("compose.yaml", () => {
  it("has the server and all that watches it", () => {
    const names = ["grafana", "jaeger", "otel-collector", "prometheus", "redis", "strand"]
    assert.deepStrictEqual(Object.keys(services).sort(), names)
    for (const { image } of Object.values(services)) assert.match(image, /^strand$|:[\w.-]*\d/)
  })

  it("sets what are settings, and the server starts by them without a warning", () => {
    assert.deepStrictEqual(unknownVariables(Object.keys(environment)), [])
    assert.deepStrictEqual(warnings, [])
    assert.strictEqual(settings.otelEndpoint, "http://otel-collector:4318")
  })

  it("does not start the server where nobody has chosen a token", async () => {
    const without = { ...filledIn, DNS_SERVER_ADMIN_TOKEN: "", DNS_SERVER_ADMIN_READ_TOKEN: "" }
    const mistake = await configured("deploy/strand/strand.yaml", without).catch((error: unknown) => String(error))
    assert.match(String(mistake), /admin_token/)
  })

  it("mounts files and folders that there are, and waits for services that there are", () => {
    for (const [name, { volumes = [], depends_on = [] }] of Object.entries(services)) {
      for (const volume of volumes) {
        const [source] = volume.split(":")
        const isThere = source.startsWith(".")
          ? existsSync(join(dirname(pathOf("deploy/compose.yaml")), source))
          : source in compose.volumes
        assert.isTrue(isThere, `${name}: ${source}`)
      }
      for (const other of depends_on) assert.property(services, other)
    }
  })

  it("publishes the ports at which the server listens, on this machine alone", () => {
    const ports: ReadonlyArray<string> = services["strand"].ports
    const inside = ports.map((port) => port.split(":").slice(2).join(":"))
    const { port } = settings.listen[0]!.endpoint
    assert.deepStrictEqual(inside, [`${port}/udp`, `${port}/tcp`, environment["DNS_SERVER_ADMIN"]!.split(":")[1]])
    for (const service of Object.values(services)) {
      for (const published of service.ports ?? []) assert.match(published, /^127\.0\.0\.1:/)
    }
  })

  it("lets the server write nothing and gives it no right of root's", () => {
    const { read_only, cap_drop, security_opt } = services["strand"]
    assert.deepStrictEqual(
      { read_only, cap_drop, security_opt },
      {
        read_only: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"]
      }
    )
  })
})

describe("Prometheus", () => {
  const prometheus = yamlOf("deploy/prometheus/prometheus.yml")
  const [job] = prometheus.scrape_configs

  it("asks the server by a name that it answers to, with the token for reading", () => {
    const [target] = job.static_configs[0].targets
    const [host, port] = target.split(":")
    assert.include(settings.adminHosts, host)
    assert.strictEqual(port, environment["DNS_SERVER_ADMIN"]!.split(":")[1])
    const [secret] = services["prometheus"].secrets
    assert.strictEqual(job.authorization.credentials_file, `/run/secrets/${secret}`)
    assert.strictEqual(environment["DNS_SERVER_ADMIN_READ_TOKEN"], `\${${compose.secrets[secret].environment}:-}`)
  })

  it("has the alerts beside its own file", () => {
    for (const file of prometheus.rule_files) assert.isTrue(existsSync(pathOf(`deploy/prometheus/${file}`)))
  })
})

describe("the collector", () => {
  const collector = yamlOf("otel-collector.yaml")

  it("hands on by exporters that it has, under the names that they have now", () => {
    for (const { receivers, processors, exporters } of Object.values<Yaml>(collector.service.pipelines)) {
      assert.includeMembers(Object.keys(collector.receivers), receivers)
      assert.includeMembers(Object.keys(collector.processors), processors)
      assert.includeMembers(Object.keys(collector.exporters), exporters)
    }
    assert.sameMembers(Object.keys(collector.exporters), ["otlp_grpc", "prometheus", "debug"])
    assert.strictEqual(collector.exporters.otlp_grpc.endpoint, "jaeger:4317")
  })

  it("takes traces where the server sends them", () => {
    const { port } = new URL(environment["OTEL_EXPORTER_OTLP_ENDPOINT"]!)
    assert.strictEqual(collector.receivers.otlp.protocols.http.endpoint, `0.0.0.0:${port}`)
  })
})

describe("the image", () => {
  const dockerfile = textOf("deploy/Dockerfile")
  const allowed = textOf(".dockerignore")
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1))

  it("is made of files that there are, and that its context has", () => {
    for (const [, words] of dockerfile.matchAll(/^COPY (?!--from)(.*)$/gm)) {
      for (const source of words!.split(" ").slice(0, -1)) {
        assert.isTrue(existsSync(pathOf(source)), source)
        assert.isTrue(
          allowed.some((path) => source === path || source.startsWith(`${path}/`)),
          `.dockerignore: ${source}`
        )
      }
    }
    for (const path of allowed) assert.isTrue(existsSync(pathOf(path)), path)
  })

  it("shows and checks the ports of its configuration", () => {
    const { endpoint } = settings.listen[0]!
    assert.match(dockerfile, new RegExp(`^EXPOSE ${endpoint.port}/udp ${endpoint.port}/tcp 8053/tcp$`, "m"))
    assert.include(dockerfile, `"healthcheck.mjs", "${formatEndpoint({ ...endpoint, address: "127.0.0.1" })}"`)
  })

  it("does not run as root", () => {
    assert.match(dockerfile.slice(dockerfile.lastIndexOf("FROM")), /^USER 1000:1000$/m)
  })
})
