/** Which queries go to which upstreams. */
import { group } from "../codec/group.ts"
import { rule } from "../codec/rule.ts"
import { shownGroup } from "../codec/secrets.ts"
import { networkLike } from "./networks.ts"
import { fromText, listOrNone, optional, section, text } from "./setting.ts"

export const routing = section("Groups and rules", {
  groups: {
    schema: listOrNone(
      fromText(group, {
        kind: "text",
        pattern: "^\\s*[A-Za-z0-9][A-Za-z0-9_-]*\\s*=\\s*\\S",
        examples: ["corp=10.1.0.1 10.1.0.2*3 policy=ordered"]
      })
    ),
    default: "",
    touches: ["query", "upstream", "table"],
    isList: true,
    shown: shownGroup,
    meaning: "upstreams that some queries go to: name=address address*weight policy=fastest"
  },
  rules: {
    schema: listOrNone(
      fromText(rule, { kind: "text", pattern: "->", examples: ["corp.example -> corp", "country:DE|AT -> near ecs"] })
    ),
    default: "",
    touches: ["query", "upstream", "table"],
    isList: true,
    meaning:
      "which queries go to which group: corp.example !public.corp.example client:10.0.0.0/8 -> name; client_name:laptop|phone, country:DE|AT, continent:EU; name ecs for EDNS Client Subnet"
  },
  geoDatabase: {
    schema: optional(text),
    default: undefined,
    touches: ["query", "upstream"],
    meaning: "a MaxMind database (.mmdb) that says where addresses are; read again when it changes"
  },
  ecsTrust: {
    schema: listOrNone(networkLike()),
    default: "",
    touches: ["query"],
    isList: true,
    meaning: "networks whose EDNS Client Subnet is believed: forwarders that ask for others"
  }
})
