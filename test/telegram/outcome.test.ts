/** Every answer of Telegram's that is known to matter, and what a network says in its place. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { Bot } from "grammy/web";
import { type Outcome, outcomeOf, wordsOf } from "../../lib/telegram/outcome.ts";
import { assert, suite } from "../harness.ts";
import { deadAddress } from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";

const test = suite("outcomeOf()");

function answered(error_code: number, description: string, parameters?: object): Outcome {
  return outcomeOf({ ok: false, error_code, description, ...(parameters && { parameters }) });
}

const gone: [string, "blocked" | "left" | "gone"][] = [
  ["Forbidden: bot was blocked by the user", "blocked"],
  ["Forbidden: user is deactivated", "gone"],
  ["Forbidden: bot was kicked from the group chat", "left"],
  ["Forbidden: bot was kicked from the supergroup chat", "left"],
  ["Forbidden: bot was kicked from the channel chat", "left"],
  ["Forbidden: bot is not a member of the group chat", "left"],
  ["Forbidden: bot is not a member of the supergroup chat", "left"],
  ["Forbidden: bot is not a member of the channel chat", "left"],
  ["Forbidden: the group chat was deleted", "gone"],
  ["Forbidden: the bot can't send messages to the bot", "gone"],
  ["Forbidden: bot can't send messages to bots", "gone"],
];

for (const [description, reason] of gone) {
  test(`outcomeOf() 403 ${description}: gone, ${reason}`, () => {
    assert.equal(answered(403, description), { kind: "gone", reason });
  });
}

test("outcomeOf() 403 of a private chat that nobody has opened with this bot: gone, and it says so", () => {
  const unopened = { kind: "gone", reason: "gone", isUnopened: true };
  assert.equal(answered(403, "Forbidden: bot can't initiate conversation with a user"), unopened);
  assert.equal(answered(403, "Forbidden: user is deactivated"), { kind: "gone", reason: "gone" });
});

const goneInCapitals: [string, "blocked" | "gone"][] = [
  ["USER_IS_BLOCKED", "blocked"],
  ["INPUT_USER_DEACTIVATED", "gone"],
  ["USER_DELETED", "gone"],
];

for (const [text, reason] of goneInCapitals) {
  test(`outcomeOf() ${text}, as 400 and as 403: gone, ${reason}`, () => {
    assert.equal(answered(400, `Bad Request: ${text}`), { kind: "gone", reason });
    assert.equal(answered(403, `Forbidden: ${text}`), { kind: "gone", reason });
  });
}

const unreachable: [number, string][] = [
  [400, "Bad Request: chat not found"],
  [400, "Bad Request: private chat not found"],
  [400, "Bad Request: PEER_ID_INVALID"],
  [400, "Bad Request: CHAT_ID_INVALID"],
  [400, "Bad Request: CHANNEL_PUBLIC_GROUP_NA"],
  [400, "Bad Request: CHANNEL_INVALID"],
  [400, "Bad Request: CHANNEL_PRIVATE"],
  [400, "Bad Request: group is deactivated"],
  [400, "Bad Request: group chat was deactivated"],
  [403, "Forbidden: CHANNEL_PRIVATE"],
  [403, "Forbidden: PEER_ID_INVALID"],
];

for (const [code, description] of unreachable) {
  test(`outcomeOf() ${code} ${description}: unreachable, a strike`, () => {
    assert.equal(answered(code, description), { kind: "unreachable" });
  });
}

const topics = {
  closed: ["TOPIC_CLOSED"],
  missing: [
    "message thread not found",
    "TOPIC_DELETED",
    "TOPIC_ID_INVALID",
    "invalid forum topic identifier specified",
    "chat is not a forum",
  ],
} as const;

for (const reason of ["closed", "missing"] as const) {
  for (const words of topics[reason]) {
    test(`outcomeOf() 400 Bad Request: ${words}: a topic, ${reason}`, () => {
      assert.equal(answered(400, `Bad Request: ${words}`), { kind: "topic", reason });
    });
  }
}

const refused: [number, string][] = [
  [400, "Bad Request: not enough rights to send text messages to the chat"],
  [400, "Bad Request: not enough rights to send photos to the chat"],
  [400, "Bad Request: CHAT_SEND_MEDIA_FORBIDDEN"],
  [400, "Bad Request: USER_BANNED_IN_CHANNEL"],
  [400, "Bad Request: group chat was upgraded to a supergroup chat"],
  [400, "Bad Request: have no rights to send a message"],
  [400, "Bad Request: CHAT_WRITE_FORBIDDEN"],
  [400, "Bad Request: CHAT_RESTRICTED"],
  [400, "Bad Request: CHAT_SEND_PLAIN_FORBIDDEN"],
  [400, "Bad Request: CHAT_SEND_PHOTOS_FORBIDDEN"],
  [400, "Bad Request: need administrator rights in the channel chat"],
  [400, "Bad Request: CHAT_ADMIN_REQUIRED"],
  [400, "Bad Request: SLOWMODE_WAIT_30"],
  [400, "Bad Request: SLOWMODE_WAIT_30_X"],
  [400, "Bad Request: channel direct messages topic must be specified"],
  [400, "Bad Request: have no write access to the chat"],
  [400, "Bad Request: can't access the chat"],
  [400, "Bad Request: not enough rights to send rich message to the chat"],
  [400, "Bad Request: CHAT_GUEST_SEND_FORBIDDEN"],
  [400, "Bad Request: ALLOW_PAYMENT_REQUIRED_500"],
  [400, "Bad Request: ALLOW_PAYMENT_REQUIRED"],
  [400, "Bad Request: PRIVACY_PREMIUM_REQUIRED"],
  [400, "Bad Request: USER_IS_BOT"],
  [400, "Bad Request: user restricted receiving of voice note messages"],
  [400, "Bad Request: message to be replied not found"],
  [403, "Forbidden: CHAT_WRITE_FORBIDDEN"],
  [403, "Forbidden: something of next year"],
  [403, "Forbidden: message is too long"],
  [403, "Forbidden: can't parse entities: no"],
];

for (const [code, description] of refused) {
  test(`outcomeOf() ${code} ${description}: refused, by this chat`, () => {
    assert.equal(answered(code, description), { kind: "refused" });
  });
}

const faults: [number, string][] = [
  [400, "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\""],
  [400, 'Bad Request: can\'t parse entities: Unsupported start tag "CHAT_WRITE_FORBIDDEN" at byte offset 1'],
  [400, "Bad Request: can't parse entities in message text: Can't find end of the entity"],
  [400, 'Bad Request: can\'t parse MessageEntity: Field "offset" must be of type Number'],
  [400, "Bad Request: message is too long"],
  [400, "Bad Request: message caption is too long"],
  [400, "Bad Request: entity beginning at UTF-16 offset 7 ends after the end of the text at UTF-16 offset 9"],
  [400, "Bad Request: receive an entity with incorrect offset -1"],
  [400, "Bad Request: entity URL 'chat not found' is invalid: URL host is empty"],
  [400, "Bad Request: inline keyboard button URL 'x' is invalid: Wrong HTTP URL"],
  [
    400,
    "Bad Request: file of size 11534336 bytes is too big for a photo; the maximum size is 10485760 bytes",
  ],
  [400, "Bad Request: photo has unsupported extension. Use one of .jpg, .jpeg, .gif, .png, .tif or .bmp"],
  [400, "Bad Request: message to copy not found"],
  [400, "Bad Request: message text is empty"],
  [400, "Bad Request: text must be non-empty"],
  [400, "Bad Request: wrong file identifier/HTTP URL specified"],
  [400, "Bad Request: wrong remote file identifier specified: Wrong string length"],
  [400, "Bad Request: failed to get HTTP URL content"],
  [400, "Bad Request: wrong type of the web page content"],
  [400, "Bad Request: BUTTON_URL_INVALID"],
  [400, "Bad Request: IMAGE_PROCESS_FAILED"],
  [400, "Bad Request: PHOTO_INVALID_DIMENSIONS"],
  [400, "Bad Request: ENTITY_BOUNDS_INVALID"],
  [400, "Bad Request: strings must be encoded in UTF-8"],
  [413, "Request Entity Too Large"],
  [413, "Request Entity Too Large: too many files attached"],
];

for (const [code, description] of faults) {
  test(`outcomeOf() ${code} ${description}: the message's fault`, () => {
    assert.equal(answered(code, description), { kind: "badMessage" });
  });
}

const bots: [number, string][] = [
  [401, "Unauthorized"],
  [404, "Not Found"],
  [400, "Bad Request: FROZEN_METHOD_INVALID"],
  [400, "Logged out"],
];

for (const [code, description] of bots) {
  test(`outcomeOf() ${code} ${description}: the bot's fault`, () => {
    assert.equal(answered(code, description), { kind: "botBlocked" });
  });
}

test("outcomeOf() 400 with migrate_to_chat_id: moved", () => {
  const description = "Bad Request: group chat was upgraded to a supergroup chat";
  const parameters = { migrate_to_chat_id: -1001234567890 };
  assert.equal(answered(400, description, parameters), { kind: "moved", to: -1001234567890 });
});

const oddIds = ["-1001234567890", 0, -1.5, NaN, 2 ** 53, 1e999, null, true, {}, [-1001234567890]];

test("outcomeOf() a migrate_to_chat_id that can be no chat's: as if there were none", () => {
  const description = "Bad Request: group chat was upgraded to a supergroup chat";
  for (const migrate_to_chat_id of oddIds) {
    assert.equal(answered(400, description, { migrate_to_chat_id }), { kind: "refused" });
  }
});

test("outcomeOf() 429: wait, as long as it says, or a second", () => {
  const description = "Too Many Requests: retry after 35";
  assert.equal(answered(429, description, { retry_after: 35 }), {
    kind: "rateLimited",
    retryAfterSeconds: 35,
  });
  assert.equal(answered(429, "Too Many Requests"), { kind: "rateLimited", retryAfterSeconds: 1 });
});

/** What a 429 may say in `retry_after`, and how long is waited; the description says 35. */
const waits: [unknown, number][] = [
  [7, 7],
  ["7", 7],
  [0.25, 1],
  [86_401, 86_401],
  [14 * 86_400, 14 * 86_400],
  [2 ** 31, 30 * 86_400],
  [1e999, 30 * 86_400],
  ...[0, -5, NaN, "", "soon", "-5", null, undefined, true, [7], {}].map((
    odd,
  ): [unknown, number] => [odd, 35]),
];

for (const [retry_after, retryAfterSeconds] of waits) {
  test(`outcomeOf() 429, ${typeof retry_after} ${JSON.stringify(retry_after)}: ${retryAfterSeconds} s`, () => {
    const description = "Too Many Requests: retry after 35";
    assert.equal(answered(429, description, { retry_after }), { kind: "rateLimited", retryAfterSeconds });
  });
}

test("outcomeOf() 429 that says nothing of use: a second", () => {
  const wait = { kind: "rateLimited", retryAfterSeconds: 1 };
  for (const parameters of [null, "35", 35, [], { retry_after: "soon" }]) {
    assert.equal(outcomeOf({ error_code: 429, description: "Too Many Requests", parameters }), wait);
  }
});

for (const code of [500, 502, 503]) {
  test(`outcomeOf() ${code}: unsent`, () => {
    assert.equal(answered(code, "Internal Server Error"), { kind: "notSent" });
  });
}

test("outcomeOf() a flood that does not say for how long, which the official server makes a 500 of: unsent", () => {
  assert.equal(answered(500, "Too Many Requests: retry after 0"), { kind: "notSent" });
});

const mayBeThere: [number, string][] = [
  [504, "Gateway Timeout"],
  [500, "Internal Server Error: sent message was immediately deleted and can't be returned"],
  [500, "Internal Server Error: restart"],
  [500, "Internal Server Error: Request aborted"],
];

for (const [code, description] of mayBeThere) {
  test(`outcomeOf() ${code} ${description}: unknown, as it may have arrived`, () => {
    assert.equal(answered(code, description), { kind: "unknown" });
  });
}

/** Unknown; or known, and not to be the message's fault nor the chat's: see message_faults.ts. */
const unclear = [
  "SOMETHING_OF_NEXT_YEAR",
  "bot was blocked by the user",
  "",
  // What the loose words of another time would take for the message's fault, or for the chat's.
  "FILE_OF_THE_CHAT_FORBIDDEN",
  "MEDIA_NOT_IN_THIS_CHAT",
  "the chat's title is too long",
  "the chat's identity is unknown",
  "chat photo is too big",
  "NEW_PRIVACY_OF_STICKERS",
  "the message can't be copied",
  "BUTTON_TYPE_INVALID",
  "BUTTON_USER_PRIVACY_RESTRICTED",
  "REPLY_MARKUP_INVALID",
  "ENTITY_MENTION_USER_INVALID",
  "FILE_REFERENCE_EXPIRED",
  "CHAT_FORWARDS_RESTRICTED",
  "user not found",
  "USER_ID_INVALID",
  "Too Many Requests: retry after 5",
];

for (const words of unclear) {
  test(`outcomeOf() 400 ${words}: unclear`, () => {
    assert.equal(answered(400, `Bad Request: ${words}`), { kind: "unclear" });
    assert.equal(answered(400, words), { kind: "unclear" });
  });
}

const described: [number, string, string][] = [
  [400, "Bad Request: SOMETHING_OF_NEXT_YEAR", "SOMETHING_OF_NEXT_YEAR"],
  [400, " Bad Request:  ODD_WAIT_30 ", "ODD_WAIT_#"],
  [400, "Bad Request: odd in chat -1001234567890 at 12:30", "odd in chat -# at #:#"],
  [403, "Forbidden: something of 2030", "Forbidden: something of #"],
  [400, "", ""],
];

for (const [error_code, description, words] of described) {
  test(`wordsOf() ${error_code} "${description}": "${words}"`, () => {
    assert.is(wordsOf({ ok: false, error_code, description }), words);
  });
}

test("wordsOf() what is no answer is its message, and never throws", () => {
  assert.is(wordsOf(new Error("Request timed out after 60 seconds")), "Request timed out after # seconds");
  assert.is(wordsOf("thrown"), "thrown");
  fc.assert(fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (error) => {
    assert.type(wordsOf(error), "string");
  }));
  const numbers = fc.tuple(fc.nat(), fc.nat());
  fc.assert(fc.property(fc.string(), numbers, (text, [one, other]) => {
    const refusal = (number: number): object => ({
      error_code: 400,
      description: `Bad Request: a${text}a${number}`,
    });
    assert.is(wordsOf(refusal(one)), wordsOf(refusal(other)));
  }));
});

/** As grammY wraps what fetch throws. */
function wrapped(error: unknown): Error {
  return Object.assign(new Error("Network request for 'sendMessage' failed!"), { name: "HttpError", error });
}

function undici(code: string, message: string = code): Error {
  return wrapped(new TypeError("fetch failed", { cause: Object.assign(new Error(message), { code }) }));
}

const url = "http://127.0.0.1/bot1:A/sendMessage";
const neverSent: Record<string, Error> = {
  "undici ECONNREFUSED": undici("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1"),
  "undici ENOTFOUND": undici("ENOTFOUND", "getaddrinfo ENOTFOUND api.telegram.org"),
  "undici EAI_AGAIN": undici("EAI_AGAIN", "getaddrinfo EAI_AGAIN api.telegram.org"),
  "undici ENETUNREACH": undici("ENETUNREACH"),
  "undici EHOSTUNREACH": undici("EHOSTUNREACH"),
  "undici connect time-out": undici("UND_ERR_CONNECT_TIMEOUT", "Connect Timeout Error"),
  "undici connect ETIMEDOUT": undici("ETIMEDOUT", "connect ETIMEDOUT 149.154.167.220:443"),
  "undici, several addresses": wrapped(
    new TypeError("fetch failed", {
      cause: new AggregateError([
        Object.assign(new Error("connect ECONNREFUSED ::1:1"), { code: "ECONNREFUSED" }),
        Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" }),
      ]),
    }),
  ),
  "Deno refused": wrapped(
    new TypeError(
      `error sending request for url (${url}): client error (Connect): tcp connect error: Connection refused (os error 111)`,
    ),
  ),
  "Deno DNS": wrapped(
    new TypeError(
      `error sending request for url (${url}): client error (Connect): dns error: failed to lookup address information: Name or service not known`,
    ),
  ),
};

for (const [name, error] of Object.entries(neverSent)) {
  test(`outcomeOf() no answer, ${name}: unsent`, () => {
    assert.equal(outcomeOf(error), { kind: "notSent" });
  });
}

const mayHaveArrived: Record<string, Error> = {
  "undici ECONNRESET": undici("ECONNRESET", "read ECONNRESET"),
  "undici EPIPE": undici("EPIPE", "write EPIPE"),
  "undici other side closed": undici("UND_ERR_SOCKET", "other side closed"),
  "undici headers time-out": undici("UND_ERR_HEADERS_TIMEOUT"),
  "undici body time-out": undici("UND_ERR_BODY_TIMEOUT"),
  "undici read ETIMEDOUT": undici("ETIMEDOUT", "read ETIMEDOUT"),
  "undici terminated": wrapped(new TypeError("terminated")),
  "an answer that is no JSON": wrapped(new SyntaxError("Unexpected token '<'")),
  "aborted": wrapped(new DOMException("This operation was aborted", "AbortError")),
  "grammY's time-out": wrapped(new Error("Request to 'sendMessage' timed out after 60 seconds")),
  "Deno closed": wrapped(
    new TypeError(
      `error sending request for url (${url}): client error (SendRequest): connection closed before message completed`,
    ),
  ),
  "Deno reset": wrapped(
    new TypeError(
      `error sending request for url (${url}): client error (SendRequest): connection error: Connection reset by peer (os error 104)`,
    ),
  ),
  "Deno body": wrapped(new TypeError("error decoding response body")),
  "nothing inside": wrapped(undefined),
};

for (const [name, error] of Object.entries(mayHaveArrived)) {
  test(`outcomeOf() no answer, ${name}: unknown`, () => {
    assert.equal(outcomeOf(error), { kind: "unknown" });
  });
}

test("outcomeOf() what was thrown before the call left is the message's fault", () => {
  assert.equal(outcomeOf(new TypeError("Cannot reuse InputFile data source!")), { kind: "badMessage" });
});

/** What this runtime's fetch and grammY make of a server that does `behave`. */
async function thrownBy(behave: (server: Server) => void, signal?: AbortSignal): Promise<Error> {
  const server = createServer();
  behave(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await thrownAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, signal);
  } finally {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

async function thrownAt(apiRoot: string, signal?: AbortSignal): Promise<Error> {
  const { api } = new Bot("1:AAtoken", { client: { apiRoot } });
  return await failureOf(api.getMe(signal as Parameters<typeof api.getMe>[0]));
}

test("outcomeOf() this runtime, nobody listens: unsent", async () => {
  assert.equal(outcomeOf(await thrownAt(await deadAddress())), { kind: "notSent" });
});

test("outcomeOf() this runtime, connection cut after the request: unknown", async () => {
  const error = await thrownBy((server) => server.on("request", (request) => request.socket.destroy()));
  assert.equal(outcomeOf(error), { kind: "unknown" });
});

test("outcomeOf() this runtime, connection cut in the middle of the answer: unknown", async () => {
  const error = await thrownBy((server) =>
    server.on("request", (request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write('{"ok":', () => request.socket.destroy());
    })
  );
  assert.equal(outcomeOf(error), { kind: "unknown" });
});

test("outcomeOf() this runtime, a proxy's page in place of an answer: unknown", async () => {
  const error = await thrownBy((server) =>
    server.on("request", (_request, response) => response.writeHead(502).end("<html>502</html>"))
  );
  assert.equal(outcomeOf(error), { kind: "unknown" });
});

test("outcomeOf() this runtime, no answer in time: unknown", async () => {
  const error = await thrownBy(
    (server) => server.on("request", () => {}),
    AbortSignal.timeout(30),
  );
  assert.equal(outcomeOf(error), { kind: "unknown" });
});

const kinds = [
  "rateLimited",
  "gone",
  "moved",
  "unreachable",
  "refused",
  "badMessage",
  "unclear",
  "botBlocked",
  "notSent",
  "unknown",
];

/** One of the kinds, with numbers that can be used. */
function assertUsable(outcome: Outcome): void {
  assert.ok(kinds.includes(outcome.kind));
  if (outcome.kind === "moved") assert.ok(Number.isSafeInteger(outcome.to) && outcome.to !== 0);
  if (outcome.kind === "rateLimited") {
    assert.ok(outcome.retryAfterSeconds >= 1 && outcome.retryAfterSeconds <= 30 * 86_400);
  }
}

test("outcomeOf() is one of its kinds for whatever is thrown", () => {
  const anything = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true });
  fc.assert(fc.property(anything, (error) => assertUsable(outcomeOf(error))));
  fc.assert(fc.property(anything, anything, anything, (message, code, cause) => {
    assertUsable(outcomeOf({ name: "HttpError", message, code, cause, error: cause, errors: cause }));
  }));
  const codes = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(400, 403, 429, 500));
  fc.assert(fc.property(codes, fc.string(), anything, (error_code, description, parameters) => {
    assertUsable(outcomeOf({ error_code, description, parameters }));
  }));
  fc.assert(fc.property(codes, anything, anything, (error_code, migrate_to_chat_id, retry_after) => {
    const parameters = { migrate_to_chat_id, retry_after };
    assertUsable(outcomeOf({ error_code, description: "", parameters }));
  }));
});

test("outcomeOf() an error that is its own cause comes to an end", () => {
  const error = wrapped(undefined);
  Object.assign(error, { cause: error, error, errors: [error, error] });
  assert.equal(outcomeOf(error), { kind: "unknown" });
});

test.run();
