/** The admin API as a whole: what `/openapi.json` describes, and what the command line calls. */
import { HttpApi, OpenApi } from "effect/http-api"
import { CacheGroup } from "./cache.ts"
import { ConfigGroup } from "./config.ts"
import { QueriesGroup } from "./queries.ts"
import { SystemGroup } from "./system.ts"
import { UpstreamsGroup } from "./upstreams.ts"

export class AdminApi extends HttpApi.make("strand")
  .add(SystemGroup)
  .add(ConfigGroup)
  .add(UpstreamsGroup)
  .add(CacheGroup)
  .add(QueriesGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Strand",
      description:
        "See and change a running Strand. Without `admin_token` everyone who reaches the address may do everything; with it, send `Authorization: Bearer TOKEN`."
    })
  ) {}
