/** What `strand top` shows, asked of the admin side at once. */
import { Effect } from "effect"
import type { TopEntry } from "../../admin/api/queries.ts"
import type { Status } from "../../admin/api/system.ts"
import type { Upstream } from "../../admin/api/upstreams.ts"
import type { Admin } from "../admin/client.ts"
import type { CommandFailed } from "../failure.ts"

/** Names and clients each: what fits a terminal of 24 lines beside the rest. */
const ENTRIES = 10

export interface Snapshot {
  readonly url: string
  readonly status: typeof Status.Type
  readonly upstreams: ReadonlyArray<typeof Upstream.Type>
  readonly names: ReadonlyArray<typeof TopEntry.Type>
  readonly clients: ReadonlyArray<typeof TopEntry.Type>
}

export const takeSnapshot = ({ url, ask }: Admin): Effect.Effect<Snapshot, CommandFailed> =>
  ask((client) => {
    const top = (by: "name" | "client") =>
      Effect.map(client.queries.top({ query: { by, window: "1m", limit: ENTRIES } }), ({ entries }) => entries)
    return Effect.all(
      {
        url: Effect.succeed(url),
        status: client.status({}),
        upstreams: client.upstreams.list({}),
        names: top("name"),
        clients: top("client")
      },
      { concurrency: "unbounded" }
    )
  })
