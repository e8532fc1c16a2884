/** Which server this is, and which of its threads. */
import { randomUUID } from "node:crypto"
import { Context } from "effect"

export interface ServerInstance {
  /** A UUID: another one each time that the server is started, the same in all of its threads. */
  readonly id: string
  /** The worker's number; undefined where queries are not answered by workers. */
  readonly worker: number | undefined
}

export const ServerInstance: Context.Reference<ServerInstance> = Context.Reference("strand/telemetry/ServerInstance", {
  defaultValue: (): ServerInstance => ({ id: randomUUID(), worker: undefined })
})
