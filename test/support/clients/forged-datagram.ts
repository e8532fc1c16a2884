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

const flood = `use Socket; use Time::HiRes qw(time);
my ($from, $seconds, $hex) = @ARGV;
socket(my $raw, PF_INET, SOCK_RAW, 17) or die "no raw socket: $!";
my $body = substr(pack("H*", $hex), 2);
my $to = pack_sockaddr_in(0, inet_aton("127.0.0.1"));
my ($sent, $end) = (0, time + $seconds);
while (time < $end) {
  for (1 .. 200) {
    my $datagram = pack("nnnnn", $from, 1024 + int(rand(64512)), 10 + length($body), 0, int(rand(65536))) . $body;
    send($raw, $datagram, 0, $to) and $sent++;
  }
}
print $sent;`

/** Sends replies under the upstream's port to any port, with any id, as fast as can be; gives how many. */
export const floodForged = (from: number, seconds: number, reply: Uint8Array): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const child = execFile(
      perl!,
      ["-e", flood, String(from), String(seconds), Buffer.from(reply).toString("hex")],
      (error, stdout) => resume(error === null ? Effect.succeed(Number(stdout)) : Effect.die(error))
    )
    return Effect.sync(() => child.kill())
  })
