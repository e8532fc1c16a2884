import { assert, describe, it } from "@effect/vitest"
import { readLatencies, readStatistics } from "../../bench/load/dnsperf-output.ts"

const overUdp = `DNS Performance Testing Tool
Version 2.10.0

[Status] Command line: dnsperf -s 127.0.0.1 -p 5310 -d names.txt -l 1
[Status] Sending queries (to 127.0.0.1:5310)
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         260618
  Queries completed:    260612 (100.00%)
  Queries lost:         6 (0.00%)

  Response codes:       NOERROR 260602 (100.00%), SERVFAIL 10 (0.00%)
  Average packet size:  request 33, response 49
  Run time (s):         1.000286
  Queries per second:   260537.484563

  Average Latency (s):  0.000235 (min 0.000005, max 0.004306)
  Latency StdDev (s):   0.000161

`

const overTcp = `[Status] Testing complete (end of file)

Statistics:

  Queries sent:         2
  Queries completed:    2 (100.00%)
  Queries lost:         0 (0.00%)

  Response codes:       SERVFAIL 2 (100.00%)
  Average packet size:  request 30, response 30
  Run time (s):         0.020131
  Queries per second:   99.349262

  Average Latency (s):  0.000608 (min 0.000170, max 0.001047)
  Latency StdDev (s):   0.000620

Connection Statistics:

  Reconnections:        0

  Average Latency (s):  0.005464 (min 0.000461, max 0.010468)
  Latency StdDev (s):   0.007076

`

const nothingAnswered = `Statistics:

  Queries sent:         2
  Queries completed:    0 (0.00%)
  Queries lost:         2 (100.00%)

  Response codes:       
  Average packet size:  request 30, response 0
  Run time (s):         0.020264
  Queries per second:   0.000000

  Average Latency (s):  0.000000 (min 0.000000, max 0.000000)

`

describe("readStatistics", () => {
  it("reads what was sent, answered, lost and how fast", () => {
    assert.deepStrictEqual(readStatistics(overUdp), {
      sent: 260_618,
      completed: 260_612,
      lost: 6,
      succeeded: 260_602,
      runSeconds: 1.000286,
      queriesPerSecond: 260_537.484563,
      averageLatencyMs: 0.235,
      maxLatencyMs: 4.306
    })
  })

  it("takes the latency of queries, not of connections, and counts errors as answered without success", () => {
    const result = readStatistics(overTcp)
    assert.strictEqual(result?.maxLatencyMs, 1.047)
    assert.strictEqual(result?.completed, 2)
    assert.strictEqual(result?.succeeded, 0)
  })

  it("reads a run in which nothing was answered", () => {
    const result = readStatistics(nothingAnswered)
    assert.strictEqual(result?.lost, 2)
    assert.strictEqual(result?.queriesPerSecond, 0)
  })

  it("gives nothing where dnsperf ended without statistics", () => {
    assert.isUndefined(readStatistics("Error: unable to open input file: names.txt"))
  })
})

describe("readLatencies", () => {
  it("reads one of each answer, whatever its rcode, and none of queries that were lost or interrupted", () => {
    const text = `> NOERROR q1.example.test A 0.000296
> T q2.example.test A
> SERVFAIL q3.example.test A 0.001047
> I q4.example.test A
${overUdp}`
    assert.deepStrictEqual([...readLatencies(text)], [0.296, 1.047])
  })
})
