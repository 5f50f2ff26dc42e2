/**
 * The program of every process that a measurement starts. Its first argument is its role: a server, which prints its
 * address and ends with its parent; `broadcaster`, which sends one broadcast; or `measure`, which takes one measurement:
 *
 *     npx tsx test/bench/child.ts measure storage [--json]
 */
import process from "node:process";
import { benches, type BenchName } from "./benches.ts";
import { type Role, serve } from "./processes.ts";
import { show } from "./report.ts";

/** What a request to DynamoDB takes within its region. */
const inboundDelayMs = 5;

/** A module is loaded only by the role that needs it. */
const roles: Readonly<Record<Role, (...args: string[]) => Promise<void>>> = {
  /** An embedded DynamoDB. */
  async dynamodb() {
    const { startDynamoDB } = await import("../../lib/local/dynamodb/server.ts");
    serve(await startDynamoDB());
  },
  /** Answers scans of a table that is made up. Arguments: milliseconds that a page takes, and any other request. */
  async scan_server(pageMs = "0", requestMs = "0") {
    const { startScanServer } = await import("./scan_server.ts");
    serve(await startScanServer(Number(pageMs), Number(requestMs)));
  },
  /** Bot API servers on demand. */
  async bot_api_servers() {
    const { startBotApiServers } = await import("./bot_api_servers.ts");
    serve(await startBotApiServers());
  },
  /** A Bot API server that only counts. Argument: the mean latency in milliseconds. */
  async counting_server(latencyMs = "0") {
    const { startCountingServer } = await import("./counting_server.ts");
    serve(await startCountingServer(Number(latencyMs)));
  },
  /** Telegram and DynamoDB for bots that receive messages. */
  async inbound_server() {
    const { startInboundServer } = await import("./inbound_server.ts");
    serve(await startInboundServer(inboundDelayMs));
  },
  /** A bot that receives messages. It answers each request with its processor time in seconds. Arguments: name, endpoint. */
  async inbound_bot(name = "", endpoint = "") {
    const { inboundBots } = await import("./inbound_bots.ts");
    const { startHttpServer } = await import("./http_server.ts");
    await inboundBots[name as keyof typeof inboundBots](endpoint);
    serve(
      await startHttpServer((_request, response) => {
        const { user, system } = process.cpuUsage();
        response.end(String((user + system) / 1e6));
      }),
    );
  },
  /** Sends one broadcast and prints when its first call was about to leave. Arguments: name, the task as JSON. */
  async broadcaster(name = "", task = "") {
    const { broadcasters } = await import("./broadcasters.ts");
    let startedAt = NaN;
    await broadcasters[name as keyof typeof broadcasters](JSON.parse(task), () => {
      startedAt = Date.now();
    });
    console.log(JSON.stringify({ startedAt }));
    // The throttler's queues would keep the process alive for minutes.
    process.exit();
  },
  async measure(name = "", form = "") {
    const { measure } = await benches[name as BenchName]();
    show(await measure(), form === "--json");
  },
};

const [role = "", ...args] = process.argv.slice(2);
await roles[role as Role](...args);
