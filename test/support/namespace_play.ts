/** Run in a network of its own by `networks_namespace.test.ts`: a bot where the network fails. Prints what became of it as JSON. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { type BotApiServer, type LocalUser, startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { setTimeout as pause } from "node:timers/promises";
import { type BotOptions, MeanReversionTelegramBot } from "../../mod.ts";
import { clientAt } from "./client.ts";
import { Nat } from "./nat.ts";

const [, , play, downMs = "10000"] = process.argv;

/** A port at ::1 where connections are neither taken nor refused, as its queue is full: packets vanish there. */
const deafListener = `
import socket, sys, time
port = int(sys.argv[1])
listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
listener.bind(("::1", port))
listener.listen(0)
waiting = [socket.socket(socket.AF_INET6) for _ in range(4)]
for each in waiting:
    each.setblocking(False)
    each.connect_ex(("::1", port))
print("deaf", flush=True)
time.sleep(600)
`;

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
  const deaf = spawn("python3", ["-c", deafListener, port], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(deaf.stdout, "data");
    await using bot = botFor(server, { apiRoot: `http://localhost:${port}`, useDynamoDB: false });
    await bot.startBot();
    const users = people(server, 10);
    for (const user of users) user.say("/start");
    await Promise.all(users.map((user) => user.received("Welcome")));
    const { sent, unknown } = await bot.broadcast("signal");
    return { sent, unknown, warnings };
  } finally {
    deaf.kill();
  }
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
  const has = (): number[] => users.map(({ inbox }) => inbox.filter(({ text }) => text === "signal").length);
  const run = bot.broadcast("signal", { broadcastId: "link" });
  while (has().filter(Boolean).length < 10) await pause(20);
  execFileSync("ip", ["link", "set", "lo", "down"]);
  await pause(Number(downMs));
  execFileSync("ip", ["link", "set", "lo", "up"]);
  const { sent, unknown, failed, skipped } = await run;
  return {
    sent,
    unknown,
    failed,
    skipped,
    most: Math.max(...has()),
    reached: has().filter(Boolean).length,
    warnings,
  };
}

console.log(JSON.stringify(await (play === "link" ? linkDown() : twoAddresses())));
process.exit(0);
