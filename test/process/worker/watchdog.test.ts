import { assert, describe, it } from "@effect/vitest"
import {
  BLIND_PATIENCE_MS,
  isStuck,
  isSuspect,
  type Look,
  PATIENCE_MS,
  SUSPICION_MS
} from "../../../src/process/worker/watchdog.ts"

const born: Look = { atMs: 1000, heartbeat: 7, cpuWaitMs: 50 }
const later = (ms: number, cpuWaitMs: number | undefined, heartbeat = born.heartbeat): Look => ({
  atMs: born.atMs + ms,
  heartbeat,
  cpuWaitMs: cpuWaitMs === undefined ? undefined : 50 + cpuWaitMs
})

describe("the watchdog", () => {
  it("suspects a thread long before it ends it, and not one that is starved or moves", () => {
    assert.isFalse(isSuspect(born, later(SUSPICION_MS - 1, 0), 0))
    assert.isTrue(isSuspect(born, later(SUSPICION_MS, 0), 0))
    assert.isTrue(isSuspect(born, later(SUSPICION_MS, undefined), 0))
    assert.isFalse(isSuspect(born, later(60_000, 59_800), 0))
    assert.isFalse(isSuspect(born, later(SUSPICION_MS, 0, born.heartbeat + 1), 0))
    assert.isFalse(isSuspect(born, later(SUSPICION_MS, 0), 1))
  })

  it("calls a thread stuck whose heartbeat stands still while it runs or waits for nothing", () => {
    assert.isTrue(isStuck(born, later(PATIENCE_MS, 0), 0))
  })

  it("has patience with one whose heartbeat has not stood still for long", () => {
    assert.isFalse(isStuck(born, later(PATIENCE_MS - 1, 0), 0))
  })

  it("never calls one stuck whose heartbeat moves", () => {
    assert.isFalse(isStuck(born, later(60_000, 0, born.heartbeat + 1), 0))
  })

  it("leaves a starved thread alone: one that waited for a processor all the while", () => {
    assert.isFalse(isStuck(born, later(60_000, 59_000), 0))
    assert.isFalse(isStuck(born, later(4_000, 2_000), 0))
  })

  it("finds a loop without end on a crowded machine too: after as much time of its own", () => {
    assert.isFalse(isStuck(born, later(5_000, 2_500), 0))
    assert.isTrue(isStuck(born, later(6_000, 3_000), 0))
  })

  it("does not count time in which it could not look itself", () => {
    assert.isFalse(isStuck(born, later(60_000, 0), 58_000))
    assert.isTrue(isStuck(born, later(60_000, 0), 57_000))
  })

  it("waits longer where the time spent waiting for a processor is not known", () => {
    assert.isFalse(isStuck(born, later(BLIND_PATIENCE_MS - 1, undefined), 0))
    assert.isTrue(isStuck(born, later(BLIND_PATIENCE_MS, undefined), 0))
    assert.isFalse(isStuck({ ...born, cpuWaitMs: undefined }, later(BLIND_PATIENCE_MS - 1, 0), 0))
  })
})
