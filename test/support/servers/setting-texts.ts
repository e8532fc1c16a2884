/** Texts that each setting may be written with, odd spellings among them. */
import { Arbitrary } from "effect"
import { type SettingName, Settings, settingNames } from "../../../src/config/schema/settings.ts"
import { type Shape, shapeOf } from "../../../src/config/schema/shape.ts"
import { constantOf, octetsUpTo, oneOf, upTo } from "../wire/arbitraries.ts"
import { stampOf } from "../wire/stamps.ts"

type Texts = Arbitrary.Arbitrary<string>

/** The texts of several one after the other. */
const joined = (...parts: ReadonlyArray<Texts>): Texts => Arbitrary.map(Arbitrary.all(parts), (all) => all.join(""))
const maybe = (text: Texts): Texts => oneOf(Arbitrary.Constant(""), text)
const upToText = (maximum: number): Texts => Arbitrary.map(upTo(maximum), String)
const severalOf = (text: Texts, minLength: number, between: string): Texts =>
  Arbitrary.map(Arbitrary.array(text, { minLength, maxLength: 3 }), (all) => all.join(between))

const ipv4 = joined(
  constantOf("192.0.2.", "10.1.0.", "127.0.0."),
  Arbitrary.map(upTo(253), (n) => String(n + 1))
)
const ipv6 = constantOf("2001:db8::1", "2001:DB8:0:0::53", "fe80::1%eth0", "::ffff:192.0.2.1", "fd00::5")
const port = Arbitrary.map(upTo(65_534), (n) => `:${n + 1}`)
const hostName = constantOf("dns.example", "DNS.Example", "a-b.dns.example.", "xn--mnchen-3ya.example")
const address = oneOf(
  joined(ipv4, maybe(port)),
  ipv6,
  joined(
    Arbitrary.map(ipv6, (text) => `[${text}]`),
    maybe(port)
  )
)
const host = oneOf(address, joined(hostName, maybe(port)))

const network = oneOf(
  ipv4,
  constantOf("10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "::ffff:10.0.0.0/104", "fd00::1", "192.0.2.1/32")
)

const digest = Arbitrary.map(octetsUpTo(32, 32), (octets) => Buffer.from(octets).toString("base64"))
const digestAsWritten = Arbitrary.map(Arbitrary.all([digest, upTo(1)]), ([text, cut]) =>
  cut === 0 ? text : text.replace(/=$/, "")
)
const proof = oneOf(
  Arbitrary.Constant(""),
  joined(Arbitrary.Constant("#"), constantOf("one.example", "192.0.2.9", "2001:db8::9")),
  joined(Arbitrary.Constant("#pin-sha256="), digestAsWritten),
  joined(Arbitrary.Constant("#one.example&pin-sha256="), digest, Arbitrary.Constant("&pin-sha256="), digest),
  joined(Arbitrary.Constant("#chain-sha256="), digest)
)
const path = constantOf(
  "",
  "/dns-query",
  "/",
  "/a/../b",
  '/q"uoted',
  "/secret*3",
  "/@1/2",
  "/@52.5/13.4{?dns}",
  "/q?key=1*2",
  "/q?key=@1/2",
  "/ümlaut",
  "/a%20b",
  "{?dns}"
)
const urlHost = oneOf(
  joined(ipv4, maybe(port)),
  joined(hostName, maybe(port)),
  joined(Arbitrary.Constant("[2001:db8::1]"), maybe(port))
)

const stamp = Arbitrary.map(
  Arbitrary.all([
    constantOf("", ":8443", "192.0.2.1", "[2001:db8::1]:8443", "[fe80::1%eth0]"),
    constantOf("dns.example", "DNS.example:8443", "192.0.2.7", "[2001:db8::7]:853", "2001:db8::7"),
    Arbitrary.array(octetsUpTo(32, 32), { maxLength: 2 }),
    constantOf("/dns-query", "/a{b}?c={d}", "/x*2", "/@1/2", '/"q"'),
    upTo(2)
  ]),
  ([at, name, digests, target, kind]) => {
    if (kind === 0) return stampOf(0x00, ["192.0.2.1:5353"])
    return kind === 1 ? stampOf(0x02, [at, digests, name, target]) : stampOf(0x03, [at, digests, name])
  }
)

const coordinate = (limit: number): Texts =>
  oneOf(
    constantOf("0", "-0", "0.0000001", "-0.00000012", "1.5"),
    Arbitrary.map(
      Arbitrary.all([upTo(limit - 1), upTo(999), upTo(1)]),
      ([whole, part, sign]) => `${sign === 0 ? "" : "-"}${whole}.${part}`
    )
  )

export const upstreamText: Texts = joined(
  maybe(constantOf("quad9=", "a-b_c=", "9=")),
  oneOf(
    address,
    joined(constantOf("udp://", "tcp://", "UDP://"), host),
    joined(Arbitrary.Constant("tls://"), host, proof),
    joined(Arbitrary.Constant("https://"), urlHost, path, proof),
    joined(Arbitrary.Constant("https://192.0.2.1/q#authority="), hostName),
    stamp
  ),
  maybe(constantOf("*1", "*007", "*1000")),
  maybe(joined(Arbitrary.Constant("@"), coordinate(90), Arbitrary.Constant("/"), coordinate(180)))
)

export const groupText: Texts = joined(
  constantOf("corp=", "Lab-1 = ", "x="),
  severalOf(upstreamText, 1, "  "),
  maybe(constantOf(" policy=ordered", " policy=fastest", " policy=geo"))
)

/** Names with all that means something in these texts. */
const name = constantOf(
  "corp.example",
  "Corp.Example.",
  ".",
  "_dns._udp.example",
  String.raw`a\.b.example`,
  String.raw`a\032b.example`,
  String.raw`x\045\062y.example`,
  String.raw`\!x.example`,
  String.raw`\065b.example`,
  String.raw`client\:x.example`,
  String.raw`\*.example`,
  String.raw`quo\"te.example`,
  "müller.example",
  "300"
)
const conditions = joined(
  maybe(joined(Arbitrary.Constant(" client:"), network)),
  maybe(constantOf(" client_name:laptop", " client_name:Laptop|my_phone,tv-2")),
  maybe(constantOf(" country:DE", " country:de|AT", " country:DE|DE")),
  maybe(constantOf(" continent:EU", " continent:eu|NA"))
)

export const ruleText: Texts = joined(
  oneOf(
    joined(name, maybe(Arbitrary.map(name, (text) => ` !${text}`)), conditions),
    joined(Arbitrary.Constant("client:"), network, maybe(Arbitrary.Constant(" !x.example"))),
    Arbitrary.Constant("country:DE !x.example")
  ),
  constantOf(" -> corp", "->corp", " -> corp ecs", " -> corp ecs=20/48")
)

const quoted = Arbitrary.map(
  octetsUpTo(40),
  (octets) => `"${[...octets].map((octet) => `\\${String(octet).padStart(3, "0")}`).join("")}"`
)
const record = oneOf(
  joined(Arbitrary.Constant("A "), ipv4),
  joined(Arbitrary.Constant("aaaa "), constantOf("2001:db8::1", "::ffff:192.0.2.1", "::")),
  joined(Arbitrary.Constant("PTR "), name),
  joined(Arbitrary.Constant("MX "), upToText(65_535), Arbitrary.Constant(" "), name),
  joined(Arbitrary.Constant("SRV 1 2 "), upToText(65_535), Arbitrary.Constant(" "), name),
  joined(Arbitrary.Constant("TXT "), severalOf(quoted, 1, " ")),
  constantOf("TXT two  words", String.raw`TXT "a \"quote\", \\ and" "country:DE"`, 'TXT ""', "TXT 300 A 192.0.2.1")
)

export const localAnswerText: Texts = joined(
  oneOf(name, constantOf("*.apps.home", '"client:x.home"', "*")),
  constantOf(" ", " 0 ", " 604800 "),
  record,
  conditions
)

const credential = constantOf("user", "p%40ss", "p:w%3A%2F", "%25", "ü%20x", "a%23b%3F", "%2520")
const redisText = joined(
  constantOf("redis://", "rediss://", "REDISS://"),
  maybe(
    oneOf(
      joined(credential, Arbitrary.Constant("@")),
      joined(maybe(credential), Arbitrary.Constant(":"), credential, Arbitrary.Constant("@"))
    )
  ),
  oneOf(ipv4, hostName, Arbitrary.Constant("[2001:db8::1]")),
  maybe(port),
  constantOf("", "/", "/0", "/5", "/65535")
)

const samplingText = constantOf(
  "always",
  "never",
  "ratio:0",
  "ratio:1",
  "ratio:0.0000001",
  "rate:200",
  "rate:0.5",
  "rate:1000000"
)
const anyText = constantOf("strand", "http://localhost:4318/v1?x=é", "a, b", "1.10", 'ends with "')

const byShape = (shape: Shape): Texts => {
  switch (shape.kind) {
    case "truth":
      return constantOf("true", "false", "True", "FALSE")
    case "word":
      return shape.isAnyCase === true
        ? oneOf(
            constantOf(...shape.words),
            Arbitrary.map(constantOf(...shape.words), (word) => word.toLowerCase())
          )
        : constantOf(...shape.words)
    case "number": {
      const { min, max, integer } = shape
      const whole = Arbitrary.map(upTo(Math.floor(max) - Math.ceil(min)), (n) => String(n + Math.ceil(min)))
      const ends = constantOf(String(min), String(max), `0${max}`)
      if (integer !== false) return oneOf(whole, ends)
      const small = Arbitrary.Constant(min === 0 ? "0.0000001" : String(min))
      return oneOf(
        ends,
        small,
        Arbitrary.map(upTo(999), (n) => `${Math.ceil(min)}.${n}`)
      )
    }
    default:
      return anyText
  }
}

const special: { readonly [Name in SettingName]?: Texts } = {
  listen: joined(maybe(constantOf("udp://", "tcp://")), oneOf(address, constantOf("0.0.0.0:0", "[::]:53"))),
  admin: oneOf(address, constantOf("off", "127.0.0.1:8053", "[::1]:0")),
  allow: network,
  serverId: constantOf("ams-1", "dns 7 (Berlin)", "a,b", "300", "~"),
  serverVersion: constantOf("1.2.3", "strand", "#1"),
  cookieSecrets: constantOf("e5e973e5a6b2a43f48e7dc849e37bfcf", "445536BCD2513298075A5D379663C962", "0".repeat(32)),
  rateLimitExempt: network,
  rebindAllowNetworks: network,
  rebindAllowNames: name,
  runAs: constantOf("strand", "strand:dns", "65534", "65534:65534"),
  proxyProtocolFrom: network,
  trustedProxies: network,
  ecsTrust: network,
  traceContextFrom: network,
  traceContextTo: constantOf("quad9", "udp://192.0.2.53:53", "192.0.2.53", "2001:db8::53"),
  bootstrap: address,
  upstreams: upstreamText,
  groups: groupText,
  rules: ruleText,
  localAnswers: localAnswerText,
  redisUrl: redisText,
  traceSampling: samplingText,
  slowQueryMs: constantOf("p99", "P99", "1", "60000", "0300"),
  queryLogDnstap: oneOf(
    constantOf("unix:/run/dnstap.sock", "UNIX:/a b", "file:/var/log/queries.dnstap", "File:/x"),
    joined(constantOf("tcp:", "TCP:"), oneOf(ipv4, Arbitrary.Constant("[2001:db8::1]")), maybe(port))
  ),
  queryLogFile: constantOf("/var/log/queries.jsonl", "/a b/é"),
  queryLogStore: constantOf("/var/lib/strand/queries", "/x, y"),
  queryLogNames: name,
  adminToken: constantOf("0123456789abcdef", '!"#$%&()*+,-./:;<=>?@~'),
  adminReadToken: constantOf("fedcba9876543210"),
  adminHosts: constantOf("dns", "DNS.example.net", "a-b.c_d.example")
}

const itemShape = (shape: Shape): Shape => (shape.kind === "list" ? shape.item : shape)

/** One value, or some of a list. */
export const valueTexts = Object.fromEntries(
  settingNames.map((name) => {
    const text = special[name] ?? byShape(itemShape(shapeOf(Settings.fields[name])))
    return [name, Arbitrary.array(text, { minLength: 1, maxLength: 3 })]
  })
) as Record<SettingName, Arbitrary.Arbitrary<Array<string>>>
