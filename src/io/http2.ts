/** What servers and clients of HTTP/2 have in common. */

/** Why a stream or a connection ends (RFC 9113 §7). */
export const ErrorCode = {
  None: 0,
  Protocol: 1,
  FlowControl: 3,
  StreamClosed: 5,
  FrameSize: 6,
  Refused: 7,
  Cancel: 8,
  Compression: 9,
  EnhanceYourCalm: 11
} as const

/** Node's HTTP/2, loaded by the first connection that needs it: it takes 3 MiB of each thread, and 4 ms of its start. */
export const nodeHttp2 = (): typeof import("node:http2") => process.getBuiltinModule("node:http2")
