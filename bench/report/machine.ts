/** On what a run was made: figures move with it. */
import { execFileSync } from "node:child_process"
import { cpus, release, totalmem } from "node:os"
import type { Server } from "../servers/server.ts"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGibibytes: number
  readonly kernel: string
  readonly node: string
  /** By Debian package. */
  readonly versions: Readonly<Record<string, string>>
}

export const describeMachine = (servers: ReadonlyArray<Server>): Machine => {
  const packages = ["dnsperf", "nsd", ...servers.flatMap(({ needs }) => needs?.debianPackage ?? [])]
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    versions: Object.fromEntries(packages.map((name) => [name, versionOf(name)]))
  }
}

/** `dpkg-query` prints name and version with a tab between. */
const versionOf = (name: string): string => {
  try {
    const text = execFileSync("dpkg-query", ["-W", name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    return text.trim().split("\t")[1] ?? "unknown"
  } catch {
    return "not from a Debian package"
  }
}

export const formatMachine = ({ cpu, cores, memoryGibibytes, kernel, node, versions }: Machine): string => {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${cores} cores of ${cpu}, ${memoryGibibytes} GiB, Linux ${kernel}; Node ${node}; ${programs.join(", ")}.`
}
