/** The README's first command, and what stands on it. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { People } from "../../cli/sandbox/people.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { withProgramFolder } from "../support/program_folder.ts";
import { type Ended, root, runScript, startScript } from "../support/script.ts";
import { rm } from "../support/leaks.ts";
import { realToken, withSubscribers } from "../support/subscribers.ts";

const test = suite("sandbox", undefined, 120_000);
const signal = { direction: "long", symbol: "BTC-USD", entry: "67250.5", stop: "66980", target: "67800" };
const asOptions = (facts: Readonly<Record<string, string>>): string[] =>
  Object.entries(facts).map(([name, value]) => `--${name}=${value}`);
const runtime = process.versions["deno"] ? "deno" : "node";

let folders = 0;

/** A folder of its own, which only this test uses. */
async function withData(body: (data: string) => Promise<void>): Promise<void> {
  const data = `.sandbox/test-${runtime}-${process.pid}-${++folders}`;
  const remove = (): Promise<unknown> => rm(join(root, data), { recursive: true, force: true });
  await remove();
  try {
    await body(data);
  } finally {
    await remove();
  }
}

/** It hands on its loader to the script that it runs. */
function sandbox(data: string, ...script: string[]): Promise<Ended> {
  return runScript(["examples/sandbox.ts", "--data", data, ...script], {}, "-P=sandbox", "tsx");
}

test("tells the whole story, and a second program finds the chats it left", () =>
  withData(async (data) => {
    const story = await sandbox(data);
    assert.is(story.status, 0, story.output);
    for (const line of ["0 active chats", "Sent to 5 of 5 chats", "Sent to 3 of 3 chats", "3 active chats"]) {
      assert.ok(story.output.includes(line), `${line}:\n${story.output}`);
    }
    const summary = story.output.slice(story.output.indexOf("What everyone got"));
    assert.match(summary, /Ada +subscribed +3 signals/);
    assert.match(summary, /Ben +subscribed +3 signals/);
    assert.match(summary, /Cleo +stopped +1 signal\n/);
    assert.match(summary, /Dan +blocked +1 signal\n/);
    assert.match(summary, /Trading desk +subscribed +3 signals/);

    const look = await sandbox(data, "examples/test_persistence.ts", "--no-send");
    assert.is(look.status, 0, look.output);
    assert.match(
      look.output,
      /Loaded 3 active chats from DynamoDB\.\n +Chats +6\n +Active +3\n +Inactive +3\n/,
    );
    assert.match(look.output, /Nothing was sent\./);

    const short = await sandbox(data, "cli/main.ts", "send", ...asOptions(signal));
    assert.is(short.status, 0, short.output);
    assert.match(short.output, "Sent to 3 of 3 chats");
    assert.not.match(short.output, "▸", "people do nothing that no bot hears");

    const shown = await sandbox(data, "examples/test_persistence.ts", "--dry-run");
    assert.match(shown.output, /\nThis is a test message: .*\nNothing was sent: this is a dry run\.\n/);

    const alone = await sandbox(data, "examples/test_persistence.ts", "--dry-run", "7001");
    assert.match(alone.output, /Sent to 1 of 1 chat /);
    assert.match(alone.output, "Ada ◂ This is a test message");

    const sent = await sandbox(data, "examples/test_persistence.ts");
    assert.is(sent.status, 0, sent.output);
    assert.match(sent.output, /Sent to 3 of 3 chats/);
    assert.match(sent.output, /Trading desk ◂ This is a test message/);

    const fresh = await sandbox(data, "examples/test_persistence.ts", "--no-send", "--unknown");
    assert.is(fresh.status, 2, fresh.output);
    assert.match(fresh.output, /--unknown.*--help/);
  }));

test("says why nobody gets anything where only scripts ran that send", () =>
  withData(async (data) => {
    const { status, output } = await sandbox(data, "examples/broadcast.ts", "Hello");
    assert.is(status, 1, output);
    assert.match(output, /\nNobody is subscribed here yet: people write to a bot that hears them, /);
  }));

test("a second one runs its script in the first", () =>
  withData(async (data) => {
    const first = startScript(
      ["examples/sandbox.ts", "--data", data, "examples/live_scheduler.ts", "--interval", "60"],
      {},
      "-P=sandbox",
      "tsx",
    );
    try {
      // The last of the people to be greeted; nobody waits for what the others get.
      while ((first.output.match(/◂ Welcome/g) ?? []).length < 5) await sleep(50);
      const second = await sandbox(data, "examples/broadcast.ts", "Hello from a second terminal");
      assert.is(second.status, 0, second.output);
      assert.match(
        second.output,
        /^The sandbox in .* is running: the script uses that one, which shows what people get/,
      );
      assert.match(second.output, "Sent to 5 of 5 chats");
      for (const name of ["Ada", "Trading desk"]) {
        await first.printed(`${name} ◂ Hello from a second terminal`);
      }
      for (
        const [args, words] of [[[], "runs in"], [
          ["--fresh", "cli/main.ts"],
          "--fresh cannot clear",
        ]] as const
      ) {
        const { status, output } = await sandbox(data, ...args);
        assert.is(status, 2, output);
        assert.match(output, words);
        assert.match(output, "another folder with --data");
      }
    } finally {
      first.kill("SIGTERM");
      await first.ended;
    }
    assert.not.ok(existsSync(join(root, data, "running.json")));
    // What a killed one leaves behind.
    await writeFile(join(root, data, "running.json"), '{"TELEGRAM_API_ROOT":"http://127.0.0.1:9"}');
    const third = await sandbox(data, "examples/test_persistence.ts", "--no-send");
    assert.match(third.output, "Loaded 5 active chats");
  }));

test("says once why its group waits", () =>
  withData(async (data) => {
    await using telegram = await startBotApiServer();
    const lines: string[] = [];
    const { log } = console;
    console.log = (line: string): unknown => lines.push(line);
    const people = await People.load(telegram, join(root, data, "people.json"));
    const call = async (method: string, body: object): Promise<void> => {
      const headers = { "content-type": "application/json" };
      const url = `${telegram.apiRoot}/bot${telegram.token}/${method}`;
      await (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).text();
    };
    try {
      await call("getUpdates", {});
      while (!lines.some((line) => line.includes("adds the bot"))) await sleep(10);
      for (let count = 1; count <= 41; count++) {
        await call("sendMessage", { chat_id: -7100, text: "Hello" });
        assert.is(
          lines.filter((line) => line.includes("20 messages within a minute")).length,
          count < 20 ? 0 : 1,
        );
      }
    } finally {
      await people.save();
      console.log = log;
    }
  }));

test("ends with its script, in the script's own way", () =>
  withData(async (data) => {
    const scheduler = ["examples/live_scheduler.ts", "--interval", "60"];
    const running = startScript(
      ["examples/sandbox.ts", "--data", data, ...scheduler],
      {},
      "-P=sandbox",
      "tsx",
    );
    await running.printed("is ready");
    running.kill("SIGTERM");
    const { status, output } = await running.ended;
    assert.is(status, 0, output);
    assert.not.match(output, /\bat .*:\d+:\d+/, "no stack trace");
  }));

const preload = 'console.log("PRELOADED");';
const settings = 'console.log("settings", process.env.NODE_OPTIONS, process.env.MY_SETTING);';

// Deno lets the script read no such variables; Bun has read the file before any code runs.
if (runtime === "node" && !process.versions["bun"]) {
  test("the script gets the settings in .env, and none of the runtime's", () =>
    withProgramFolder({
      ".env": "NODE_OPTIONS=--require=./preload.cjs\nMY_SETTING=mine\nAWS_PROFILE=theirs\n",
      "preload.cjs": preload,
      "settings.mjs": settings,
    }, async ({ path, run }) => {
      const args = ["--data", join(path, "data"), "settings.mjs"];
      const { status, output } = await run("examples/sandbox.ts", args);
      assert.is(status, 0, output);
      assert.match(output, "settings undefined mine");
      assert.not.match(output, "PRELOADED");
    }));
}

test("test_persistence exits with 1 where chats would not outlive it", async () => {
  await using telegram = await startBotApiServer();
  const { status, output } = await runScript(["examples/test_persistence.ts", "--yes"], {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: "us-east-1",
    // The discard port: nobody listens there.
    AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:9",
  });
  assert.is(status, 1, output);
  assert.match(output, /DynamoDB cannot be reached/);
  assert.match(output, /in memory only: nothing would outlive this program/);
  assert.is(telegram.countCalls("sendMessage"), 0);
});

test("test_persistence ends as the command does: nobody to ask is 2, nobody to write to is 1", async () => {
  for (
    const [count, status, words] of [[2, 2, "--yes has to be given"], [
      0,
      1,
      "Nobody to write to yet",
    ]] as const
  ) {
    await withSubscribers({ count, token: realToken }, async ({ users, env }) => {
      const ended = await runScript(["examples/test_persistence.ts"], env);
      assert.is(ended.status, status, ended.output);
      assert.match(ended.output, `Loaded ${count} active chats from DynamoDB.`);
      assert.match(ended.output, words);
      for (const { inbox } of users) assert.is(inbox.length, 0);
    });
  }
});

test("test_persistence says in one line what is missing", async () => {
  const { status, output } = await runScript(["examples/test_persistence.ts"], {
    TELEGRAM_BOT_TOKEN: "not a token",
  });
  assert.is(status, 2, output);
  assert.match(output.trim(), /^TELEGRAM_BOT_TOKEN must be the token from @BotFather[^\n]*not shown\)\.$/);
  assert.not.match(output, /not a token/);
});

test.run();
