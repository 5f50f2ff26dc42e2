import { type AddressInfo, createServer } from "node:net";
import process from "node:process";
import { inspect } from "node:util";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { ChatEvent } from "../../lib/chats/events.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { createDynamoDBClient } from "../../lib/dynamodb/client.ts";
import type { FaultGate } from "../../lib/local/dynamodb/fault_gate.ts";
import { assert, suite } from "../harness.ts";
import { known, noon, secondMs } from "../support/chats.ts";
import {
  clientAt,
  failureOf,
  type Keys,
  sharedTable,
  type TableFixture,
  TableName,
  TestClock,
  TestLogger,
} from "../support/storage.ts";

const { freshTable, expectNoTrespass, closeTable } = sharedTable();

const message = (updateId: number, kind: "message" | "start" | "stop" = "message"): ChatEvent => ({
  kind,
  at: noon,
  updateId,
  registers: true,
});

const lost = suite("lost answers", {}, 60_000);

/** As many as the client's own attempts can make up for. */
const losses = [1, 2];

for (const times of losses) {
  lost(
    `saveChat(), deactivateChat() and reactivateChat() tell the truth after ${times} lost answers`,
    async () => {
      const { gate, ...table } = await freshTable().then(withStorage);
      const lose = (): void => void gate.loseAnswers({ action: "UpdateItem", times });
      lose();
      assert.is(await table.storage.saveChat(1, { username: "ada" }), "created");
      lose();
      assert.is(await table.storage.deactivateChat(1), true);
      lose();
      assert.is(await table.storage.reactivateChat(1), true);
      lose();
      await table.storage.apply(1, [message(5, "stop")], "active");
      lose();
      assert.is(await table.storage.saveChat(1), "reactivated");
      assert.is((await table.storage.getChat(1))?.message_count, 1);
    },
  );

  lost(`apply() counts once, and tells what is kept, after ${times} lost answers`, async () => {
    const { storage, gate } = await freshTable().then(withStorage);
    await storage.apply(1, [message(1, "start"), message(2)]);
    let updateId = 2;
    for (const belief of ["active", undefined, "absent"] as const) {
      gate.loseAnswers({ action: "UpdateItem", times });
      const { before, after } = await storage.apply(1, [message(++updateId), message(++updateId)], belief);
      const { chat_id: _id, ...chat } = await storage.getChat(1) ?? { chat_id: 0 };
      assert.is((chat as { message_count: number }).message_count, updateId, `believed ${belief}`);
      assert.equal(known(after), chat, `after, believed ${belief}`);
      assert.is(before?.message_count, updateId - 2, `before, believed ${belief}`);
    }
  });
}

lost(
  "apply() never calls a stopped chat active, though a refusal was lost and its last message is repeated",
  async () => {
    const { storage, gate } = await freshTable().then(withStorage);
    await storage.apply(1, [message(1, "start"), message(2, "stop"), message(3)]);
    gate.loseAnswers({ action: "UpdateItem", times: 2 });
    const { before, after } = await storage.apply(1, [message(3)], "active");
    assert.is((await storage.getChat(1))?.is_active, false);
    assert.is(before?.is_active, false, "before");
    assert.is(after?.is_active, false, "after");
    assert.is(after?.message_count, 3);
  },
);

lost(
  "saveChat() keeps what it is told, though a chat was made in the same instant and answers were lost",
  async () => {
    const { storage, gate } = await freshTable().then(withStorage);
    await storage.apply(1, [message(1, "start")]);
    gate.loseAnswers({ action: "UpdateItem", times: 2 });
    await storage.saveChat(1, { username: "ada" });
    assert.equal((await storage.getChat(1))?.user_info, { username: "ada" });
  },
);

lost("apply() said again after all answers were lost counts nothing twice", async () => {
  const { storage, gate } = await freshTable().then(withStorage);
  const events = [message(1, "start"), message(2), message(3)];
  const fault = gate.loseAnswers();
  assert.is((await failureOf(storage.apply(1, events, "absent")) as StorageError).reason, "unreachable");
  fault.clear();
  const { before, after } = await storage.apply(1, events, "absent");
  assert.is(before?.message_count, 3);
  assert.is(after?.message_count, 3);
});

lost("getChat(), loadActiveChats() and getStatistics() ask again", async () => {
  const { storage, gate } = await freshTable().then(withStorage);
  await storage.saveChat(1);
  gate.loseAnswers({ action: "GetItem", times: 2 });
  assert.ok(await storage.getChat(1));
  gate.loseAnswers({ action: "Scan", times: 3 });
  assert.is((await storage.loadActiveChats()).size, 1);
  gate.loseAnswers({ action: "Scan", times: 3 });
  assert.is((await storage.getStatistics()).totalChats, 1);
});

lost.after(expectNoTrespass);
lost.run();

async function withStorage(
  table: TableFixture,
): Promise<{ gate: FaultGate; storage: TelegramDynamoDBStorage }> {
  return { gate: table.gate, storage: await Promise.resolve(table.storage({ clock: new TestClock(noon) })) };
}

const failures = suite("StorageError", {}, 60_000);

const secrets: Keys = {
  accessKeyId: "AKIDVISIBLE",
  secretAccessKey: "TheSecretAccessKeyItself",
  sessionToken: "TheSessionTokenItself",
};

/** No secret in any way in which an error may come to a log. */
function expectNoSecret(error: Error): void {
  const cause = error.cause as Error | undefined;
  const texts = [
    error.message,
    String(error.stack),
    JSON.stringify(error),
    JSON.stringify(cause),
    JSON.stringify(Object.getOwnPropertyDescriptors(error)),
    inspect(error, { depth: Infinity }),
    inspect(cause, { depth: Infinity }),
  ];
  for (const secret of [secrets.secretAccessKey, secrets.sessionToken as string]) {
    for (const text of texts) assert.not(text?.includes(secret), `a secret in: ${text}`);
  }
}

async function expectFailure(
  call: Promise<unknown>,
  reason: string,
  ...words: RegExp[]
): Promise<StorageError> {
  const error = await failureOf(call) as StorageError;
  assert.instance(error, StorageError);
  assert.is(error.name, "StorageError");
  assert.is(error.reason, reason, error.message);
  assert.ok(error.cause, "the cause is kept");
  for (const word of words) assert.match(error.message, word);
  expectNoSecret(error);
  return error;
}

/** Every method, with the action that it begins with. */
function calls(storage: TelegramDynamoDBStorage): [string, () => Promise<unknown>][] {
  return [
    ["UpdateItem", () => storage.saveChat(1)],
    ["UpdateItem", () => storage.deactivateChat(1)],
    ["UpdateItem", () => storage.apply(1, [message(1)], "active")],
    ["GetItem", () => storage.reactivateChat(1)],
    ["GetItem", () => storage.getChat(1)],
    ["Scan", () => storage.loadActiveChats()],
    ["Scan", () => storage.getStatistics()],
    ["Scan", () => storage.cleanupInactiveChats({ daysThreshold: 1 })],
    ["DescribeTable", () => storage.createTableIfNotExists()],
  ];
}

const answers: [string, { status: number; type: string; message: string }, string, RegExp[]][] = [
  [
    "a wrong region",
    {
      status: 400,
      type: "InvalidSignatureException",
      message: "Credential should be scoped to a valid region, not 'us-east-1'. ",
    },
    "region",
    [/"us-east-1"/, /AWS_REGION/],
  ],
  [
    "a clock that is late",
    {
      status: 400,
      type: "InvalidSignatureException",
      message:
        "Signature expired: 20261120T115500Z is now earlier than 20261120T120000Z (20261120T121500Z - 15 min.)",
    },
    "clock",
    [/clock/, /NTP/],
  ],
  [
    "a clock that is early",
    {
      status: 400,
      type: "InvalidSignatureException",
      message: "Signature not yet current: 20261120T130000Z is still later than 20261120T121500Z",
    },
    "clock",
    [/clock/],
  ],
  [
    "unknown keys",
    {
      status: 400,
      type: "UnrecognizedClientException",
      message: "The security token included in the request is invalid.",
    },
    "credentials",
    [/AWS_ACCESS_KEY_ID/, /AWS_SECRET_ACCESS_KEY/],
  ],
  [
    "keys that have expired",
    {
      status: 400,
      type: "ExpiredTokenException",
      message: "The security token included in the request is expired",
    },
    "credentials",
    [/AWS_SESSION_TOKEN/],
  ],
  [
    "a wrong secret, with what the service would have signed",
    {
      status: 400,
      type: "InvalidSignatureException",
      message:
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access " +
        "Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this " +
        "request should have been\n'POST\n/\n\ncontent-type:application/x-amz-json-1.0\n" +
        `host:dynamodb.us-east-1.amazonaws.com\nx-amz-security-token:${secrets.sessionToken}\n\n...'`,
    },
    "credentials",
    [/AWS_SECRET_ACCESS_KEY/],
  ],
  [
    "a table that is not there",
    { status: 400, type: "ResourceNotFoundException", message: "Requested resource not found" },
    "table",
    [/"telegram-chats"/, /"us-east-1"/, /TELEGRAM_CHATS_TABLE/],
  ],
];

for (const [name, answer, reason, words] of answers) {
  failures(`every method says what to check for ${name}`, async () => {
    const table = await freshTable();
    const storage = table.storage({ keys: secrets, clock: new TestClock(noon) });
    for (const [action, call] of calls(storage)) {
      if (action === "DescribeTable" && reason === "table") continue;
      table.gate.fail(answer);
      const named = reason === "region" ? [] : [new RegExp(`\\b${action}\\b`)];
      await expectFailure(call(), reason, ...named, ...words);
      table.gate.clear();
    }
  });
}

failures("every method names the action and the policy where access is denied, and asks once", async () => {
  const table = await freshTable();
  const storage = table.storage({ keys: secrets });
  // A scan asks for four segments at once, of which some may arrive when it has failed already.
  const asked = new Map<string, number>();
  table.gate.resetCounts();
  for (const [action, call] of calls(storage)) {
    table.gate.deny();
    const rule = new RegExp(`Allow dynamodb:${action} on arn:aws:dynamodb:\\*:\\*:table/${TableName}`);
    await expectFailure(call(), "denied", new RegExp(`dynamodb:${action}`), rule);
    asked.set(action, (asked.get(action) ?? 0) + (action === "Scan" ? 4 : 1));
    const count = table.gate.count(action);
    assert.ok(count <= (asked.get(action) ?? 0), `${action} was asked ${count} times`);
    table.gate.clear();
  }
});

failures("every method says that it is throttled, by either name", async () => {
  const table = await freshTable();
  table.gate.throttle({ action: "GetItem", type: "ProvisionedThroughputExceededException" });
  table.gate.throttle({ type: "ThrottlingException" });
  // Each with a client of its own, as a client allows itself so many attempts only.
  await Promise.all(
    calls(table.storage()).map(async ([action], index) => {
      const call = calls(table.storage({ keys: secrets }))[index]?.[1] as () => Promise<unknown>;
      await expectFailure(call(), "throttled", new RegExp(`throttles ${action}`), /"telegram-chats"/);
    }),
  );
});

failures("a write that is throttled for a moment is done", async () => {
  const { storage, gate } = await freshTable().then(withStorage);
  gate.throttle({ times: 1 });
  assert.is(await storage.saveChat(1), "created");
});

failures("every method gives up within five seconds where nobody answers", async () => {
  const table = await freshTable();
  table.gate.hang();
  const begin = performance.now();
  await Promise.all(
    calls(table.storage({ keys: secrets })).map(async ([action, call]) => {
      await expectFailure(
        call(),
        "unreachable",
        new RegExp(`\\b${action}\\b`),
        /AWS_ENDPOINT_URL_DYNAMODB/,
        /"us-east-1"/,
      );
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  assert.ok(seconds < 6, `it took ${seconds.toFixed(1)} s`);
});

failures("every method says that nobody can be reached where connections are cut or refused", async () => {
  const table = await freshTable();
  table.gate.refuse();
  for (const [action, call] of calls(table.storage({ keys: secrets }))) {
    await expectFailure(call(), "unreachable", new RegExp(`\\b${action}\\b`));
  }
  const client = clientAt("http://127.0.0.1:1", secrets);
  const nobody = new TelegramDynamoDBStorage({ client, tableName: TableName, regionName: "us-east-1" });
  for (const [action, call] of calls(nobody)) {
    await expectFailure(call(), "unreachable", new RegExp(`\\b${action}\\b`), /network, proxy and firewall/);
  }
  client.destroy();
});

failures("a host name that is not found points at the region where that is misspelt", async () => {
  for (const [regionName, reason] of [["us-eest-1", "region"], ["us-east-1", "unreachable"]] as const) {
    const client = clientAt("http://127.0.0.1:1", secrets);
    const handle = (): Promise<never> => {
      const host = `dynamodb.${regionName}.amazonaws.com`;
      return Promise.reject(
        Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND", errno: -3008 }),
      );
    };
    Object.assign(client.config, { requestHandler: { handle, destroy: () => {} } });
    const storage = new TelegramDynamoDBStorage({ client, tableName: TableName, regionName });
    await expectFailure(storage.getChat(1), reason, new RegExp(`"${regionName}"`));
    client.destroy();
  }
});

failures("no credentials at all are told as such, within five seconds", async () => {
  const saved = Object.entries(process.env).filter(([name]) => name.startsWith("AWS_"));
  for (const [name] of saved) delete process.env[name];
  const none = "/nonexistent/aws";
  const names = {
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: none,
    AWS_SHARED_CREDENTIALS_FILE: none,
  };
  Object.assign(process.env, names, { AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:1" });
  const client = createDynamoDBClient("us-east-1");
  try {
    const storage = new TelegramDynamoDBStorage({ client, tableName: TableName, regionName: "us-east-1" });
    const error = await expectFailure(storage.getChat(1), "credentials", /AWS_ACCESS_KEY_ID/, /GetItem/);
    assert.is((error.cause as Error).name, "CredentialsProviderError");
  } finally {
    client.destroy();
    for (const name of [...Object.keys(names), "AWS_ENDPOINT_URL_DYNAMODB"]) delete process.env[name];
    Object.assign(process.env, Object.fromEntries(saved));
  }
});

failures("what does not speak HTTP is no fault of the item's", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("nonsense\r\n\r\n", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = clientAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    const storage = new TelegramDynamoDBStorage({ client, tableName: "telegram-chats" });
    await expectFailure(storage.saveChat(1), "unreachable", /UpdateItem/);
  } finally {
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

failures("an error of the service's own is told with action and region", async () => {
  const table = await freshTable();
  const storage = table.storage({ keys: secrets });
  table.gate.fail({ status: 500, type: "InternalServerError", message: "Internal server error" });
  await expectFailure(storage.getChat(1), "unavailable", /GetItem/, /"us-east-1"/, /Internal server error/);
});

failures("apply() that is refused as invalid reads once and gives up", async () => {
  const { storage, gate } = await freshTable().then(withStorage);
  await storage.saveChat(1);
  gate.fail({
    action: "UpdateItem",
    status: 400,
    type: "ValidationException",
    message: "Invalid UpdateExpression",
  });
  gate.resetCounts();
  await expectFailure(
    storage.apply(1, [message(1)], "active"),
    "failed",
    /UpdateItem/,
    /Invalid UpdateExpression/,
  );
  assert.ok(gate.requests <= 3, `${gate.requests} requests`);
});

failures("apply() that is refused as invalid keeps a /stop, a block and a /start all the same", async () => {
  const table = await freshTable();
  const logger = new TestLogger();
  const storage = table.storage({ logger, clock: new TestClock(noon) });
  await storage.saveChat(1);
  const events: ChatEvent[] = [
    message(1, "stop"),
    message(2, "start"),
    { kind: "removed", at: noon + secondMs },
    { kind: "saved", at: noon },
    { kind: "deactivated", at: noon },
    { kind: "reactivated", at: noon },
  ];
  const item = await table.item(1);
  for (const [index, event] of events.entries()) {
    const invalid = { status: 400, type: "ValidationException", message: "Invalid UpdateExpression" };
    const fault = table.gate.fail({ ...invalid, action: "UpdateItem", times: index % 2 === 0 ? 2 : 1 });
    const { before, after } = await storage.apply(1, [event], index % 2 === 0 ? "active" : undefined);
    fault.clear();
    const isActive = index % 2 === 1;
    assert.equal([before?.is_active, after?.is_active], [!isActive, isActive], event.kind);
    assert.equal(await table.item(1), { ...item, is_active: { BOOL: isActive } }, event.kind);
  }
  assert.is(logger.lines.length, 1, "it is told once");
  assert.match(logger.lines[0] ?? "", /chat 1 .*Invalid UpdateExpression/);
});

failures("a storage goes on where its table is well again", async () => {
  const { storage, gate } = await freshTable().then(withStorage);
  const fault = gate.deny();
  await expectFailure(storage.saveChat(1), "denied");
  fault.clear();
  assert.is(await storage.saveChat(1), "created");
});

failures("a client of one's own that throws anything at all is a StorageError all the same", async () => {
  const thrown = [null, undefined, "a text", 5, new Error("mine")];
  const sends = thrown.flatMap((value) => [
    () => Promise.reject(value),
    () => {
      throw value;
    },
  ]);
  for (const send of sends) {
    const client = { send } as unknown as DynamoDBClient;
    const error = await failureOf(new TelegramDynamoDBStorage({ client }).getChat(5));
    assert.instance(error, StorageError);
    assert.match(error.message, /GetItem/);
  }
});

failures.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
failures.run();
