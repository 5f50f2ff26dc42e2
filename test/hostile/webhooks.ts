/** Requests to a webhook's address, as they come on the wire: what scanners, broken proxies and bad servers send. */
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { Random } from "../support/histories.ts";
import { below, type HostilePool, hostileUpdate, pick } from "./updates.ts";

/** A request, from its first byte to its last. */
export interface HostileRequest {
  readonly head: readonly string[];
  readonly body: string;
  /** How many bytes of the request are sent; the connection is closed behind them. */
  readonly cut: number;
}

const [kilobyte, megabyte] = [1000, 1_000_000];

const bombs = [
  gzipSync(Buffer.alloc(20 * megabyte)).toString("latin1"),
  "[".repeat(10_000),
  "[".repeat(10_000) + "]".repeat(10_000),
  `{"update_id":1,"message":${'{"message":'.repeat(10_000)}1${"}".repeat(10_000)}}`,
  "\xff\xfe\0\xd8".repeat(kilobyte),
  '{"update_id":7,"update_id":8,"message":1,"message":{"chat":[]},"__proto__":{"update_id":9}}',
  '{"__proto__":{"update_id":5,"message":{"text":"/stop"}}}',
  '{"update_id":1e999}',
  '{"update_id":9007199254740993}',
  '{"update_id":-5}',
  '{"update_id":1,"message":{"text":"\\ud83d","chat":{"id":5,"type":"private"}}}',
  "a=b&update_id=5",
  "",
  "\0",
];

const methods = [
  "GET",
  "PUT",
  "DELETE",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "BREW",
  "post",
  "POST /\tHTTP/9",
  "\0",
  "é",
];
const secretName = "X-Telegram-Bot-Api-Secret-Token";

/** A request of which some parts are hostile. @param secret What the webhook asks for. */
export function hostileRequest(random: Random, secret: string, pool: HostilePool): HostileRequest {
  const body = bodyOf(random, pool);
  const isRight = random() < 0.6;
  const head = [
    `${random() < 0.75 ? "POST" : pick(random, methods)} ${
      pick(random, ["/", "/?a=b", "//", "/%zz", "*"])
    } HTTP/1.1`,
    ...random() < 0.95 ? ["Host: 127.0.0.1"] : [],
    ...isRight ? [`${secretName}: ${secret}`] : wrongSecret(random, secret),
    ...random() < 0.8
      ? [`Content-Type: ${pick(random, ["application/json", "text/plain", "multipart/form-data", "\x7f"])}`]
      : [],
    ...random() < 0.2 ? [pick(random, oddHeaders)] : [],
    ...lengthOf(random, body),
    ...["", ""],
  ];
  const isCut = random() < 0.15;
  return { head, body, cut: isCut ? below(random, body.length + 200) : Infinity };
}

function bodyOf(random: Random, pool: HostilePool): string {
  if (random() < 0.35) return pick(random, bombs);
  if (random() < 0.02) return JSON.stringify({ update_id: 5, x: "y".repeat(1.2 * megabyte) });
  const update_id = pick(random, [below(random, 2 ** 31), 1.5, "5", null, -1]);
  return Buffer.from(JSON.stringify({ update_id, ...hostileUpdate(random, pool) })).toString("latin1");
}

function wrongSecret(random: Random, secret: string): string[] {
  return pick(random, [
    [],
    [`${secretName}: `],
    [`${secretName}: ${secret}x`],
    [`${secretName}: ${secret}`, `${secretName}: ${secret}`],
    [`${secretName}: __proto__`],
    [`${secretName}: ${"x".repeat(10_000)}`],
    [`${secretName}: \xff\x01`],
    [`__proto__: ${secret}`],
    [`Authorization: Bearer ${secret}`],
  ]);
}

const oddHeaders = [
  "Content-Encoding: gzip",
  "Expect: 100-continue",
  "Expect: something else",
  "Connection: close",
  "Connection: upgrade\r\nUpgrade: websocket",
  "X: " + "y".repeat(20_000),
  "no colon",
  "constructor: 5",
];

/** Mostly right, as otherwise the server alone answers. */
function lengthOf(random: Random, body: string): string[] {
  if (random() < 0.8) return [`Content-Length: ${body.length}`];
  return pick(random, [
    [],
    ["Content-Length: -1"],
    ["Content-Length: 5000000000"],
    [`Content-Length: ${body.length + 10}`],
    [`Content-Length: ${Math.floor(body.length / 2)}`],
    ["Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", `Content-Length: ${body.length}`],
    ["Transfer-Encoding: gzip"],
  ]);
}
