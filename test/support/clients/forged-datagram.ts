/** Datagrams that no socket would send: from any port, from port 0 too. Takes the right to open raw sockets. */
import { execFile } from "node:child_process"
import { Effect } from "effect"
import { findTool } from "../external/tools.ts"

const perl = findTool("perl")

export const canForge = perl !== undefined && process.getuid?.() === 0

const script = `use Socket;
my ($from, $to, $hex) = @ARGV;
socket(my $raw, PF_INET, SOCK_RAW, 17) or die "no raw socket: $!";
my $payload = pack("H*", $hex);
my $datagram = pack("nnnn", $from, $to, 8 + length($payload), 0) . $payload;
send($raw, $datagram, 0, pack_sockaddr_in(0, inet_aton("127.0.0.1"))) or die "not sent: $!";`

/** Sends `message` from port `from` of 127.0.0.1 to its port `to`. */
export const sendForged = (from: number, to: number, message: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    execFile(perl!, ["-e", script, String(from), String(to), Buffer.from(message).toString("hex")], (error) =>
      resume(error === null ? Effect.void : Effect.die(error))
    )
  })
