/**
 * For programs that embed the server: the layer, its settings and how they change, and the rooms that a program may have
 * of its own, before the cache and around the upstreams (docs/embedding.md).
 */
export { AnswerCache } from "./cache/answer-cache.ts"
export { FailureCache } from "./cache/failure-cache.ts"
export { ChangeRefused, Configuration, ConfigurationError, type Loaded, load } from "./config/configuration.ts"
export { Settings } from "./config/schema/settings.ts"
export type { GivenMap, GivenValue } from "./config/sources/program-settings.ts"
export { Rcode, Type } from "./dns/codes.ts"
export { formatName, isAtOrBelow, parseName } from "./dns/name.ts"
export type { OwnRecord } from "./dns/own-answer.ts"
export { Query, readQuery, Verdict } from "./dns/query.ts"
export { formatQuestion, type Question } from "./dns/question.ts"
export { DatagramTransport, SocketError } from "./io/datagram.ts"
export { BatchedUnavailable } from "./io/linux/batched.ts"
export { StreamTransport } from "./io/stream-transport.ts"
export { Listeners } from "./listener/listeners.ts"
export type { Listening } from "./listener/listening.ts"
export {
  type BelowPipeline,
  type BelowUpstreams,
  type Ground,
  type Rooms,
  type Shared,
  serverLayerWith,
  standaloneLayer,
  standaloneLayerWith
} from "./process/server.ts"
export {
  type ChangeRecord,
  type GivenSettings,
  OtherGeneration,
  type Running,
  ServerControl,
  UnknownGeneration
} from "./process/server-control.ts"
export { layerStandaloneControl, type StandaloneControlOptions } from "./process/standalone-control.ts"
export { layerDatagrams } from "./process/transports.ts"
export type { Packet, ReplyPath } from "./query/packet.ts"
export { Pipeline } from "./query/pipeline.ts"
export { sendError } from "./query/reply-sender.ts"
export { Counters } from "./telemetry/counters.ts"
export { Latencies } from "./telemetry/latencies.ts"
export type { ResolutionRecord } from "./telemetry/record.ts"
export {
  type Abandonable,
  type Answer,
  type Asker,
  type Begin,
  DeadlinePassed,
  NoUpstreamAvailable,
  type Outcome,
  QuestionUnanswered,
  type ResolveError,
  UpstreamsFailed
} from "./upstream/answer.ts"
export { type Answering, beginBy, messageFor } from "./upstream/begin-by.ts"
export { ResolverPool } from "./upstream/resolver-pool.ts"
