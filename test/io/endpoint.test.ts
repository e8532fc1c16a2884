import { assert, describe, it } from "@effect/vitest"
import { isLoopback, isPrivate } from "../../src/io/endpoint.ts"

describe("a host", () => {
  it("is on loopback only as an address", () => {
    for (const host of ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"]) assert.isTrue(isLoopback(host), host)
    for (const host of ["127.example", "127.0.0.1.example.net", "localhost", "128.0.0.1", "::2", "1.127.0.0"]) {
      assert.isFalse(isLoopback(host), host)
    }
  })

  it("is on a private network only as an address (RFC 1918, RFC 3927, RFC 4193)", () => {
    for (const host of [
      "10.0.0.1",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "169.254.1.1",
      "fd00::1",
      "fc00::1",
      "fe80::1%eth0",
      "febf::1",
      "::ffff:10.0.0.1"
    ]) {
      assert.isTrue(isPrivate(host), host)
    }
    for (const host of [
      "fdns1.example.net",
      "fc.example",
      "fe80.example",
      "10.example.net",
      "192.168.example",
      "172.16.example",
      "172.32.0.1",
      "11.0.0.1",
      "fec0::1",
      "2001:db8::1"
    ]) {
      assert.isFalse(isPrivate(host), host)
    }
  })
})
