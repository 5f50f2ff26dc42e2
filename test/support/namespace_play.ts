/** Run in a network of its own by `networks_namespace.test.ts`: a bot where the network fails. Prints what became of it as JSON. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { type BotApiServer, type LocalUser, startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { setTimeout as pause } from "node:timers/promises";
import { type BotOptions, type BroadcastReport, MeanReversionTelegramBot } from "../../mod.ts";
import { createTransport } from "../../lib/util/http/transport.ts";
import { clientAt } from "./client.ts";
import { Nat } from "./nat.ts";

const [, , play, downMs = "10000"] = process.argv;

/** A listener whose queue is full, so that connections are neither accepted nor refused. */
const deafListener = `
import socket, sys, time
place = (sys.argv[1], int(sys.argv[2]))
family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
listener = socket.socket(family)
if family == socket.AF_INET6:
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
listener.bind(place)
listener.listen(0)
waiting = [socket.socket(family) for _ in range(4)]
for each in waiting:
    each.setblocking(False)
    each.connect_ex(place)
print("deaf", flush=True)
time.sleep(600)
`;

/** A relay to a port, of which each packet that comes in from either side is lost with the given likelihood; prints its port. */
const lossyRelay = `
import ctypes, socket, struct, sys, threading
target, share = int(sys.argv[1]), float(sys.argv[2])
load_random, jump_if_at_least, ret = 0x20, 0x35, 0x06
program = [
    (load_random, 0, 0, 0xfffff000 + 56),
    (jump_if_at_least, 0, 1, int((1 - share) * 0xffffffff)),
    (ret, 0, 0, 0),
    (ret, 0, 0, 0xffffffff),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
lossy = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
SO_ATTACH_FILTER = 26

def opened():
    each = socket.socket()
    each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, lossy)
    return each

def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()

def join(client):
    onward = opened()
    onward.connect(("127.0.0.1", target))
    threading.Thread(target=pump, args=(client, onward), daemon=True).start()
    pump(onward, client)

listener = opened()
listener.bind(("127.0.0.1", 0))
listener.listen(500)
print(listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    threading.Thread(target=join, args=(client,), daemon=True).start()
`;

/** An address for documentation (RFC 5737), which is here not this machine's loopback. */
const farAddress = "192.0.2.1";

const warnings: string[] = [];
const logger = {
  info() {},
  warn: (line: string) => void warnings.push(line),
  error: (line: string) => void warnings.push(line),
};

const botFor = ({ token }: BotApiServer, options: Partial<BotOptions>): MeanReversionTelegramBot =>
  new MeanReversionTelegramBot({ botToken: token, logger, ...options });

const people = (server: BotApiServer, count: number): LocalUser[] =>
  Array.from({ length: count }, () => server.user());

async function twoAddresses(): Promise<unknown> {
  await using server = await startBotApiServer();
  await using far = await Nat.before(server.apiRoot, 200);
  const { port } = new URL(far.url);
  execFileSync("ip", ["address", "add", `${farAddress}/32`, "dev", "lo"]);
  const deaf = ["::1", farAddress].map((address) =>
    spawn("python3", ["-c", deafListener, address, port], { stdio: ["ignore", "pipe", "inherit"] })
  );
  try {
    for (const each of deaf) await once(each.stdout, "data");
    const refusal = createTransport()(`http://${farAddress}:${port}/`).then(
      () => "none",
      ({ code }) => String(code),
    );
    await using bot = botFor(server, { apiRoot: `http://localhost:${port}`, useDynamoDB: false });
    await bot.startBot();
    const users = people(server, 10);
    for (const user of users) user.say("/start");
    await Promise.all(users.map((user) => user.received("Welcome")));
    const { sent, unknown } = await bot.broadcast("signal");
    return { sent, unknown, warnings, refusal: await refusal };
  } finally {
    for (const each of deaf) each.kill();
  }
}

/** How often each person has the signal. */
const timesHad = (users: readonly LocalUser[]): number[] =>
  users.map(({ inbox }) => inbox.filter(({ text }) => text === "signal").length);

function played(report: BroadcastReport, users: readonly LocalUser[]): unknown {
  const { sent, unknown, failed, skipped } = report;
  const has = timesHad(users);
  const reached = has.filter(Boolean).length;
  return { sent, unknown, failed, skipped, most: Math.max(...has), reached, warnings };
}

/** The address of a relay to this one that loses packets. */
async function lossy(address: string, share: number): Promise<AsyncDisposable & { readonly url: string }> {
  const args = ["-c", lossyRelay, new URL(address).port, String(share)];
  const relay = spawn("python3", args, { stdio: ["ignore", "pipe", "inherit"] });
  const [port] = await once(relay.stdout, "data");
  return {
    url: `http://127.0.0.1:${String(port).trim()}`,
    async [Symbol.asyncDispose]() {
      relay.kill();
      await once(relay, "exit");
    },
  };
}

async function packetsLost(): Promise<unknown> {
  await using server = await startBotApiServer();
  await using dynamo = await startDynamoDB();
  await using toTelegram = await lossy(server.apiRoot, 0.05);
  await using toDynamoDB = await lossy(dynamo.endpoint, 0.05);
  const client = clientAt(toDynamoDB.url);
  await using bot = botFor(server, { apiRoot: toTelegram.url, client });
  await bot.startBot();
  const users = people(server, 60);
  for (const user of users) user.say("/start");
  await Promise.all(users.map((user) => user.received("Welcome", 60_000)));
  return played(await bot.broadcast("signal", { broadcastId: "loss" }), users);
}

async function linkDown(): Promise<unknown> {
  await using server = await startBotApiServer();
  await using dynamo = await startDynamoDB();
  const client = clientAt(dynamo.endpoint);
  await using bot = botFor(server, { apiRoot: server.apiRoot, client, messagesPerSecond: 10 });
  await bot.startBot();
  const users = people(server, 60);
  for (const user of users) user.say("/start");
  await Promise.all(users.map((user) => user.received("Welcome")));
  const run = bot.broadcast("signal", { broadcastId: "link" });
  while (timesHad(users).filter(Boolean).length < 10) await pause(20);
  execFileSync("ip", ["link", "set", "lo", "down"]);
  await pause(Number(downMs));
  execFileSync("ip", ["link", "set", "lo", "up"]);
  return played(await run, users);
}

const plays: Readonly<Record<string, () => Promise<unknown>>> = {
  addresses: twoAddresses,
  loss: packetsLost,
  link: linkDown,
};

console.log(JSON.stringify(await plays[play ?? ""]?.()));
process.exit(0);
