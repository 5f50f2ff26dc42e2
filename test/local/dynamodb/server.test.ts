/** The embedded DynamoDB: folders, ports, its end. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DescribeTableCommand, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { startFaultGate } from "../../../lib/local/dynamodb/fault_proxy.ts";
import { loadDynalite, startDynamoDB } from "../../../lib/local/dynamodb/server.ts";
import { assert, suite } from "../../harness.ts";
import { deadAddress } from "../../support/bot.ts";
import {
  add,
  clientOf,
  createActiveTable,
  createTable,
  failure,
  get,
  put,
  TableName,
} from "../../support/chats_table.ts";

const test = suite("local/dynamodb/server");

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "local-dynamodb-"));
  try {
    await body(join(parent, "made", "here"));
  } finally {
    await rm(parent, { recursive: true });
  }
}

test("startDynamoDB() keeps the tables of a folder over a restart", () =>
  inFolder(async (path) => {
    for (const start of ["first", "second", "third"]) {
      await using db = await startDynamoDB({ path });
      const client = clientOf(db.endpoint);
      if (start === "first") await createActiveTable(client);
      await client.send(add());
      client.destroy();
    }
    await using db = await startDynamoDB({ path });
    const { Item } = await clientOf(db.endpoint).send(get());
    assert.is(Item?.["message_count"]?.N, "3");
  }));

test("startDynamoDB() without a folder begins empty each time", async () => {
  for (const _start of [1, 2]) {
    await using db = await startDynamoDB();
    const client = clientOf(db.endpoint);
    assert.equal((await client.send(new ListTablesCommand({}))).TableNames, []);
    await client.send(createTable());
  }
});

test("startDynamoDB() keeps a table in CREATING for createTableMs", async () => {
  await using db = await startDynamoDB({ createTableMs: 1500 });
  const client = clientOf(db.endpoint);
  await client.send(createTable());
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  assert.is(Table?.TableStatus, "CREATING");
});

test(
  "startDynamoDB() rejects when the port is taken, and lets the folder go",
  () =>
    inFolder(async (path) => {
      await using db = await startDynamoDB();
      const port = Number(new URL(db.endpoint).port);
      assert.is((await failure(startDynamoDB({ path, port }))).code, "EADDRINUSE");
      await using next = await startDynamoDB({ path });
      await clientOf(next.endpoint).send(new ListTablesCommand({}));
    }),
);

test(
  "startDynamoDB() rejects when the folder is in use, and not after a crash",
  () =>
    inFolder(async (path) => {
      const first = await startDynamoDB({ path });
      const error = await failure(startDynamoDB({ path }));
      assert.match(error.message, `as the DynamoDB at ${first.endpoint} has it open`);
      await first.close();
      await writeFile(join(path, "port"), new URL(await deadAddress()).port);
      await using next = await startDynamoDB({ path });
      await clientOf(next.endpoint).send(new ListTablesCommand({}));
    }),
);

test("close() ends the writes that have begun, and may be called twice", () =>
  inFolder(async (path) => {
    const db = await startDynamoDB({ path });
    const client = clientOf(db.endpoint);
    await createActiveTable(client);
    await client.send(put());
    const writes = Array.from({ length: 40 }, () => client.send(add()));
    const settled = Promise.allSettled(writes);
    await Promise.any(writes);
    await Promise.all([db.close(), db.close()]);
    const answered = (await settled).filter(({ status }) => status === "fulfilled").length;
    await using again = await startDynamoDB({ path });
    const { Item } = await clientOf(again.endpoint).send(get());
    assert.ok(answered > 0);
    assert.is(Item?.["message_count"]?.N, String(answered));
  }));

test("loadDynalite() names the package and the command when it is missing", async () => {
  const missing = new Error("Cannot find package 'dynalite'");
  const error = await failure(loadDynalite(() => Promise.reject(missing)));
  assert.match(error.message, /"dynalite".*npm install --save-dev dynalite/);
  assert.is(error.cause, missing);
});

test("loadDynalite() names the permissions when Deno refuses", async () => {
  const denied = Object.assign(new Error("Requires ffi access"), { name: "NotCapable" });
  const error = await failure(loadDynalite(() => Promise.reject(denied)));
  assert.match(error.message, /--allow-ffi/);
});

test("startDynamoDB() answers no web page", async () => {
  await using db = await startDynamoDB();
  const headers = {
    "X-Amz-Target": "DynamoDB_20120810.ListTables",
    "Content-Type": "application/x-amz-json-1.0",
  };
  const ask = async (more: Record<string, string>): Promise<number> => {
    const response = await fetch(db.endpoint, {
      method: "POST",
      headers: { ...headers, ...more },
      body: "{}",
    });
    await response.body?.cancel();
    return response.status;
  };
  assert.is(await ask({ Origin: "https://example.com" }), 403);
  assert.is(await ask({}) === 403, false, "programs send no Origin");
});

test("options are checked, the gate's too, before anything starts", async () => {
  for (const [name, value] of Object.entries({ path: "", port: 65_536, createTableMs: "1" })) {
    const { message } = await startDynamoDB({ [name]: value } as never).catch((error) => error);
    assert.match(message, `Cannot start the DynamoDB as "${name}" must be `);
  }
  for (const [name, value] of Object.entries({ port: -1, random: 0.5 })) {
    const given = { target: "http://127.0.0.1:1", [name]: value };
    const { message } = await startFaultGate(given as never).catch((error) => error);
    assert.match(message, `Cannot start the gate as "${name}" must be `);
  }
});

test.run();
