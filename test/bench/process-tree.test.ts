import { assert, describe, it } from "@effect/vitest"
import { cpuMicrosecondsBetween, cpuTimes, residentOctets } from "../../bench/measure/process-tree.ts"

describe("cpuMicrosecondsBetween", () => {
  it("adds up what every thread used, new ones included", () => {
    const before = new Map([["1/1", 1000]])
    const after = new Map([
      ["1/1", 4000],
      ["1/2", 2000]
    ])
    assert.strictEqual(cpuMicrosecondsBetween(before, after), 5)
  })

  it("is no number where a thread has ended", () => {
    const before = new Map([
      ["1/1", 1000],
      ["1/2", 1000]
    ])
    assert.isNaN(cpuMicrosecondsBetween(before, new Map([["1/1", 9000]])))
  })
})

describe("a process", () => {
  it("has used CPU time and memory", { skip: process.platform !== "linux" }, () => {
    assert.isAbove(cpuTimes(process.pid).get(`${process.pid}/${process.pid}`) ?? 0, 0)
    assert.isAbove(residentOctets(process.pid), 1_000_000)
  })
})
