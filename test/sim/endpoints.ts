/** Telegram and DynamoDB as the simulated network knows them: what a request asks for, and how the services refuse. */
import { Buffer } from "node:buffer";
import type { Endpoint, Refusal } from "./network.ts";
import type { Service, ServiceRequest, ServiceResponse } from "./service.ts";

export const telegramRoot = "http://telegram.sim";
export const dynamodbHost = "dynamodb.sim";

export function telegramEndpoint(service: Service): Endpoint {
  return { service, describe: describeCall, refuse: refuseCall };
}

export function dynamodbEndpoint(service: Service): Endpoint {
  return { service, describe: describeAction, refuse: (refusal) => serviceErrors[refusal] };
}

type Described = Omit<ServiceRequest, "signal">;

/** `sendMessage 5 "Broadcast text1, 1"`, `getUpdates 100000001`. */
function describeCall({ url, headers, body }: Described): string {
  const method = /\/([^/]+)$/.exec(url.pathname)?.[1] ?? "";
  const { chat_id, text, offset } = headers.get("content-type")?.startsWith("multipart")
    ? fieldsOf(Buffer.from(body).toString("utf8"))
    : parametersOf(body);
  const said = typeof text === "string" ? JSON.stringify(text.slice(0, 40)) : undefined;
  return [method, chat_id, offset, said].filter((part) => part !== undefined).join(" ");
}

/** The chat that a message goes to, and the broadcast that it is of. */
export function addressOf(what: string): { readonly chat?: number; readonly id?: string | undefined } {
  const [, chat, id] = /^send(?:Message|Photo) (-?\d+)(?: "Broadcast ([a-z0-9]+))?/.exec(what) ?? [];
  return chat === undefined ? {} : { chat: Number(chat), id };
}

interface CallParameters {
  readonly chat_id?: unknown;
  readonly text?: unknown;
  readonly offset?: unknown;
}

function parametersOf(body: Uint8Array): CallParameters {
  if (body.length === 0) return {};
  const { caption, ...parameters } = JSON.parse(Buffer.from(body).toString("utf8"));
  return { text: caption, ...parameters };
}

function fieldsOf(form: string): CallParameters {
  const field = (name: string): string | undefined =>
    new RegExp(`name="${name}"\\r\\n(?:[^\\r]+\\r\\n)*\\r\\n([^\\r]*)`).exec(form)?.[1];
  return { chat_id: field("chat_id"), text: field("caption") ?? field("text") };
}

/** `UpdateItem telegram-chats 5`. */
function describeAction({ headers, body }: Described): string {
  const action = (headers.get("x-amz-target") ?? "").split(".")[1];
  const { TableName, Key = {} } = JSON.parse(Buffer.from(body).toString("utf8"));
  const key = Object.values(Key).map((value) => Object.values(value as object)[0]);
  return [action, TableName, key.join("/")].join(" ").trim();
}

function refuseCall(refusal: Refusal, random: () => number): ServiceResponse {
  if (refusal === "throttled") {
    const retry_after = 1 + Math.floor(random() ** 3 * 20);
    return callError(429, `Too Many Requests: retry after ${retry_after}`, { retry_after });
  }
  if (refusal === "failed") return callError(502, "Bad Gateway");
  // A proxy's answer, which does not say what became of the call.
  return refusal === "failedAfterEffect"
    ? callError(504, "Gateway Timeout")
    : callError(500, "Internal Server Error");
}

function callError(error_code: number, description: string, parameters?: object): ServiceResponse {
  const body = JSON.stringify({ ok: false, error_code, description, ...parameters && { parameters } });
  return { status: error_code, headers: { "content-type": "application/json" }, body };
}

function serviceError(status: number, name: string, message: string): ServiceResponse {
  return {
    status,
    headers: { "content-type": "application/x-amz-json-1.0" },
    body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }),
  };
}

const serviceErrors: Readonly<Record<Refusal, ServiceResponse>> = {
  failed: serviceError(500, "InternalServerError", "The request processing has failed"),
  failedAfterEffect: serviceError(500, "InternalServerError", "The request processing has failed"),
  throttled: serviceError(400, "ThrottlingException", "Rate exceeded"),
  denied: serviceError(400, "AccessDeniedException", "User is not authorized to perform this action"),
  expired: serviceError(
    400,
    "ExpiredTokenException",
    "The security token included in the request is expired",
  ),
};
