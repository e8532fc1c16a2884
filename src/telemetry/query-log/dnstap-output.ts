/** Queries and replies as dnstap: to a reader at a socket, or to a file. */
import { readFileSync } from "node:fs"
import type { NetConnectOpts } from "node:net"
import { hostname } from "node:os"
import type { DnstapTarget } from "../../config/codec/dnstap-target.ts"
import { packageFile } from "../../runtime/entry-points.ts"
import { DnstapWriter } from "./dnstap-message.ts"
import { writingTo } from "./file-output.ts"
import { FrameConnection } from "./frame-connection.ts"
import { Control, controlFrame } from "./frame-streams.ts"
import type { Output } from "./output.ts"
import type { Rotation } from "./plan.ts"
import type { Report } from "./report.ts"
import { type Framing, RotatedFile } from "./rotated-file.ts"

/** A stream of one direction begins and ends; nothing follows in a file whose stream has ended. */
const stream: Framing = {
  header: controlFrame(Control.Start),
  trailer: controlFrame(Control.Stop),
  isAppended: false
}

export const dnstapOutput = (target: DnstapTarget, rotation: Rotation, report: Report): Output => {
  const { version } = JSON.parse(readFileSync(packageFile("package.json"), "utf8"))
  const writer = new DnstapWriter(hostname(), `strand ${version}`)
  if (target.kind === "file") {
    return writingTo(new RotatedFile(target.path, rotation, stream), report, (queries) => writer.write(queries))
  }
  const connection = new FrameConnection(connectionTo(target), report)
  return {
    write: (queries) => {
      if (queries.length > 0) connection.write({ octets: writer.write(queries).octets, queries: queries.length })
      else connection.look()
    },
    close: connection.close
  }
}

const connectionTo = (target: Exclude<DnstapTarget, { readonly kind: "file" }>): NetConnectOpts =>
  target.kind === "unix"
    ? { path: target.path }
    : { host: target.endpoint.address, port: target.endpoint.port, noDelay: true }
