/** The README's first command, and what stands on it. */
import { join } from "node:path";
import process from "node:process";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { withProgramFolder } from "../support/program_folder.ts";
import { type Ended, root, runScript, startScript } from "../support/script.ts";
import { rm } from "../support/leaks.ts";

const test = suite("sandbox", undefined, 120_000);
const runtime = process.versions["deno"] ? "deno" : "node";

/** A folder of its own, which only this test uses. */
async function withData(body: (data: string) => Promise<void>): Promise<void> {
  const data = `.sandbox/test-${runtime}-${process.pid}`;
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

    const unasked = await sandbox(data, "examples/test_persistence.ts");
    assert.match(unasked.output, /Nobody to ask here: --yes sends without asking\.\nNothing was sent\./);

    const shown = await sandbox(data, "examples/test_persistence.ts", "--dry-run");
    assert.match(shown.output, /\nThis is a test message: .*\nNothing was sent: this is a dry run\.\n/);

    const alone = await sandbox(data, "examples/test_persistence.ts", "--dry-run", "7001");
    assert.match(alone.output, /Sent to 1 of 1 chat /);
    assert.match(alone.output, "Ada ◂ This is a test message");

    const sent = await sandbox(data, "examples/test_persistence.ts", "--yes");
    assert.is(sent.status, 0, sent.output);
    assert.match(sent.output, /Sent to 3 of 3 chats/);
    assert.match(sent.output, /Trading desk ◂ This is a test message/);

    const fresh = await sandbox(data, "examples/test_persistence.ts", "--no-send", "--unknown");
    assert.is(fresh.status, 2, fresh.output);
    assert.match(fresh.output, /--unknown.*--help/);
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

test("test_persistence says in one line what is missing", async () => {
  const { status, output } = await runScript(["examples/test_persistence.ts"], {
    TELEGRAM_BOT_TOKEN: "not a token",
  });
  assert.is(status, 1, output);
  assert.match(output.trim(), /^TELEGRAM_BOT_TOKEN must be the token from @BotFather[^\n]*not shown\)\.$/);
  assert.not.match(output, /not a token/);
});

test.run();
