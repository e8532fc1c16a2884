import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { until } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { configured, TOKEN, unknownVariables, type Yaml, yamlOf, yamlsOf } from "./files.ts"

const FOLDER = "deploy/kubernetes"
const kustomization = yamlOf(`${FOLDER}/kustomization.yaml`)
const objects: ReadonlyArray<Yaml> = kustomization.resources.flatMap((file: string) => yamlsOf(`${FOLDER}/${file}`))

const named = (kind: string, name: string): Yaml =>
  objects.find((object) => object.kind === kind && object.metadata.name === name)

const deployment = named("Deployment", "strand")
const pod = deployment.spec.template
const [container] = pod.spec.containers
const environment = Object.fromEntries(container.env.map(({ name }: Yaml) => [name, TOKEN]))
const { settings, warnings } = await configured(`${FOLDER}/strand.yaml`, environment)

const portNamed = (name: string): Yaml => container.ports.find((port: Yaml) => port.name === name)

describe("the manifests for Kubernetes", () => {
  it("have a configuration by which the server starts, without a warning", () => {
    assert.deepStrictEqual(warnings, [])
    assert.deepStrictEqual(unknownVariables(Object.keys(environment)), [])
  })

  it("choose the pods that the deployment makes", () => {
    const { labels } = pod.metadata
    const selectors = [
      deployment.spec.selector.matchLabels,
      named("PodDisruptionBudget", "strand").spec.selector.matchLabels,
      named("Service", "strand").spec.selector,
      named("Service", "strand-admin").spec.selector,
      ...pod.spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution.map(
        ({ podAffinityTerm }: Yaml) => podAffinityTerm.labelSelector.matchLabels
      )
    ]
    for (const selector of selectors) assert.deepStrictEqual(selector, labels)
  })

  it("have the ports of the configuration, by UDP and TCP", () => {
    const { port } = settings.listen[0]!.endpoint
    assert.deepInclude(portNamed("dns"), { containerPort: port, protocol: "UDP" })
    assert.deepInclude(portNamed("dns-tcp"), { containerPort: port, protocol: "TCP" })
    assert.deepStrictEqual(settings.admin, { address: "0.0.0.0", port: portNamed("admin").containerPort })
    for (const service of ["strand", "strand-admin"]) {
      for (const { targetPort, protocol } of named("Service", service).spec.ports) {
        assert.strictEqual(portNamed(targetPort).protocol, protocol)
      }
    }
    const outside = named("Service", "strand").spec.ports.map(
      ({ port: number, protocol }: Yaml) => `${number} ${protocol}`
    )
    assert.deepStrictEqual(outside, ["53 UDP", "53 TCP"])
  })

  it("reach the admin side under names that it answers to", () => {
    const { name } = named("Service", "strand-admin").metadata
    const inCluster = `${name}.${kustomization.namespace}.svc`
    assert.includeMembers([...settings.adminHosts], [name, inCluster, `${inCluster}.cluster.local`])
  })

  it("look at whether the server lives, and apart from that whether it is ready", () => {
    const looksAt = ({ httpGet }: Yaml): string => `${httpGet.port}${httpGet.path}`
    assert.strictEqual(looksAt(container.startupProbe), "admin/healthz")
    assert.strictEqual(looksAt(container.livenessProbe), "admin/healthz")
    assert.strictEqual(looksAt(container.readinessProbe), "admin/readyz")
  })

  it("give the server time to answer what is in flight", () => {
    const pauseSeconds = Number(container.lifecycle.preStop.exec.command[1])
    assert.isAbove(pod.spec.terminationGracePeriodSeconds, pauseSeconds + settings.shutdownTimeoutSecs + 4)
  })

  it("give it no rights", () => {
    assert.deepInclude(pod.spec.securityContext, { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } })
    assert.deepStrictEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] }
    })
    assert.isFalse(pod.spec.automountServiceAccountToken)
  })

  it("keep the name of the configuration, and mount it as a folder, so that a change is seen", () => {
    const [{ name, files }] = kustomization.configMapGenerator
    assert.isTrue(kustomization.generatorOptions.disableNameSuffixHash)
    assert.strictEqual(pod.spec.volumes[0].configMap.name, name)
    const [mount] = container.volumeMounts
    assert.notProperty(mount, "subPath")
    assert.strictEqual(container.args[1], `${mount.mountPath}/${files[0]}`)
  })
})

describe("a file of a ConfigMap", () => {
  it.live("is read again when the kubelet has put another folder in the place of its own", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      // What the file's name leads to is a link to a link: `strand.yaml` → `..data/strand.yaml` → a folder with a date.
      const put = (version: string, text: string): void => {
        mkdirSync(join(folder, version))
        writeFileSync(join(folder, version, "strand.yaml"), text)
        symlinkSync(version, join(folder, "..data_tmp"))
        renameSync(join(folder, "..data_tmp"), join(folder, "..data"))
      }
      put("..2026_01_01", "upstreams: 192.0.2.53\nretries: 1\n")
      symlinkSync("..data/strand.yaml", join(folder, "strand.yaml"))
      const server = yield* startListening({}, ["--config", join(folder, "strand.yaml")])
      put("..2026_01_02", "upstreams: 192.0.2.53\nretries: 2\n")
      yield* until("the change", () => server.output().includes("configuration read again; changed: retries"))
    }).pipe(Effect.scoped)
  )
})
