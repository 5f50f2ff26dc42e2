/**
 * Answers Scan as DynamoDB does, and nothing else: seeding a million items in an emulator takes minutes, and then most
 * of a scan is the emulator's.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "./child.ts";
import { pageOf, type Scan } from "./scan_pages.ts";

/** By what was asked; made once, as it is not the server that is measured. */
const answers = new Map<string, Uint8Array>();

function answerTo(body: string): Uint8Array {
  const answer = answers.get(body) ?? Buffer.from(JSON.stringify(pageOf(JSON.parse(body) as Scan)));
  answers.set(body, answer);
  return answer;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}

const server = createServer((request, response) => {
  textOf(request).then((body) => {
    const answer = answerTo(body);
    const head = { "content-type": "application/x-amz-json-1.0", "content-length": answer.length };
    response.writeHead(200, head).end(answer);
  }).catch(() => request.socket.destroy());
});
server.listen(0, "127.0.0.1", () => serve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
