import { Buffer } from "node:buffer";
import { type Agent, type IncomingMessage, request as httpRequest } from "node:http";
import type { Call } from "./faults.ts";

/** What stands behind the gate said, all of it. */
export interface Answer {
  readonly head: IncomingMessage;
  readonly content: Uint8Array;
}

/** Sends a request on as it came, and resolves once the whole answer is there. */
export function forward(
  target: URL,
  agent: Agent,
  request: IncomingMessage,
  body: Uint8Array,
): Promise<Answer> {
  const { method = "POST", url = "/", headers } = request;
  return new Promise((resolve, reject) => {
    const forwarded = httpRequest(
      new URL(url, target),
      { method, headers, agent },
      (answer) => readAll(answer).then((content) => resolve({ head: answer, content }), reject),
    );
    forwarded.on("error", reject);
    forwarded.end(body);
  });
}

export async function readAll(message: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** The action stands in a header (`DynamoDB_20120810.UpdateItem`), the table in the body. */
export function parse(
  request: IncomingMessage,
  body: Uint8Array,
): { call: Call; parameters: Record<string, unknown> } {
  const [, action = ""] = String(request.headers["x-amz-target"] ?? "").split(".");
  const parameters = parseObject(new TextDecoder().decode(body));
  const table = parameters["TableName"];
  return { call: { action, table: typeof table === "string" ? table : "" }, parameters };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
