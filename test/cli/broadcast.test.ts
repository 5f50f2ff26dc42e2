/** A broadcast from the command line, as a user does it. */
import { spawn, spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { plantActive, said } from "../support/bot.ts";
import { commandFor } from "../support/runtime.ts";
import { type Ended, root, type Running, runScript, startScript } from "../support/script.ts";
import { startTable, type TableFixture } from "../support/storage.ts";
import { rm } from "../support/leaks.ts";

const test = suite("broadcast example", {}, 120_000);

interface Environment {
  readonly users: readonly LocalUser[];
  readonly table: TableFixture;
  readonly env: Readonly<Record<string, string>>;
  start(...args: string[]): Running;
  run(...args: string[]): Promise<Ended>;
}

/** Subscribers of a local Telegram that is as quick as it is told, and the script in front of it. */
async function withSubscribers(
  count: number,
  latencyMs: number,
  body: (stage: Environment) => Promise<void>,
): Promise<void> {
  await using telegram = await startBotApiServer({ latencyMs });
  const table = await startTable({ isOverHttp: true });
  const users = Array.from({ length: count }, () => telegram.user({ opened: true }));
  await plantActive(table, ...users.map(({ chatId }) => chatId));
  const env = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ENDPOINT_URL_DYNAMODB: table.gate.endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  const start = (...args: string[]): Running => startScript(["examples/broadcast.ts", ...args], env);
  try {
    await body({ users, table, env, start, run: (...args) => start(...args).ended });
  } finally {
    await table.close();
  }
}

test("sends to everyone, and prints the report", () =>
  withSubscribers(3, 0, async ({ users, run }) => {
    const { status, output } = await run("The market is closed today.");
    assert.is(status, 0, output);
    assert.match(output, /^Sent to 3 of 3 chats in \d+\.\d s\.$/m);
    for (const user of users) assert.equal(said(user), ["The market is closed today."]);
  }));

test("a picture with its caption, once under its name however often it is called", () =>
  withSubscribers(3, 0, async ({ users, table, env }) => {
    const picture = `.signals/test-${process.versions["deno"] ? "deno" : "node"}-${process.pid}.png`;
    await mkdir(join(root, ".signals"), { recursive: true });
    await writeFile(join(root, picture), new Uint8Array(1000).fill(7));
    // Past the gate, which knows the table of chats only.
    const ledger = { ...env, AWS_ENDPOINT_URL_DYNAMODB: table.db.endpoint };
    const args = ["examples/broadcast.ts", "Good morning", "--photo", picture, "--id", "morning-note"];
    try {
      for (const time of ["first", "second"]) {
        const { status, output } = await runScript(args, ledger);
        assert.is(status, 0, output);
        assert.match(output, /^Sent to 3 of 3 chats in \d+\.\d s\.$/m, time);
      }
    } finally {
      await rm(join(root, picture));
    }
    for (const { inbox } of users) {
      assert.equal(inbox.map(({ caption, photo }) => [caption, photo !== undefined]), [[
        "Good morning",
        true,
      ]]);
    }
  }));

test("where it takes its time, it prints lines; Ctrl-C ends it with the report", () =>
  withSubscribers(300, 50, async ({ users, start }) => {
    const script = start("Good morning");
    await script.printed("Sending: ");
    script.kill("SIGINT");
    const { status, output } = await script.ended;
    assert.is(status, 1, output);
    assert.match(output, /^Sending: \d+ of 300 \(\d+%\), about \d+ s left$/m);
    assert.match(output, "Stopping. Ctrl-C again ends at once.");
    assert.match(output, /^Sent to \d+ of 300 chats in .* skipped.* Stopped: the caller ended it\.$/m);
    const reached = users.filter((user) => said(user).length === 1).length;
    assert.is(reached, Number(/Sent to (\d+)/.exec(output)?.[1]));
  }));

test("mistakes are told in a line", () =>
  withSubscribers(0, 0, async ({ run }) => {
    const mistakes: [string[], RegExp][] = [
      [[], /^One text is needed, in quotation marks; --help explains\n$/],
      [["two", "texts"], /^One text is needed, in quotation marks; --help explains\n$/],
      [["text", "--foto", "x"], /^Unknown option '--foto' \(did you mean --photo\?\); --help explains\n$/],
      [["text", "--photo", ".signals/none.png"], /^The picture cannot be read: [^\n]*; --help explains\n$/],
      [["text", "--id", ""], /^Cannot broadcast as "broadcastId" must be .*; --help explains$/m],
    ];
    const ends = await Promise.all(mistakes.map(([args]) => run(...args)));
    for (const [index, { status, output }] of ends.entries()) {
      assert.match(output, mistakes[index]?.[1] as RegExp);
      assert.is(status, 2, output);
    }
  }));

test("--help explains", () =>
  withSubscribers(0, 0, async ({ run }) => {
    const { status, output } = await run("--help");
    assert.is(status, 0);
    assert.match(output, "telegram-signals broadcast TEXT [--photo FILE] [--id NAME]");
  }));

test("without DynamoDB nothing is sent", () =>
  withSubscribers(2, 0, async ({ users, table, run }) => {
    table.gate.deny("Scan");
    const { status, output } = await run("Good morning");
    table.gate.clear();
    assert.is(status, 1, output);
    assert.match(output, /^Nothing was sent: the chats could not be read from DynamoDB\.$/m);
    for (const user of users) assert.equal(said(user), []);
  }));

/** Runs the command on a terminal of 80 columns and gives what it showed. */
async function onTerminal(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const line = `stty cols 80; ${command.map((word) => `'${word}'`).join(" ")}`;
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => output += text);
  }
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, output };
}

const hasTerminals = process.platform === "linux" && spawnSync("script", ["--version"]).status === 0;

(hasTerminals ? test : test.skip)(
  "on a terminal it draws a bar, and leaves the terminal in order",
  () =>
    withSubscribers(150, 0, async ({ env }) => {
      const script = [...commandFor("examples/broadcast.ts", "-P"), "Good morning"];
      const { status, output } = await onTerminal(script, env);
      assert.is(status, 0, output);
      assert.match(output, /Sending █+░+ \d+% \| \d+\/150 \| about \d+ s left/);
      assert.match(output, /Sending █{24} 100% \| 150\/150 \| 150 sent in \d+ s[^\n]*\r\n/);
      assert.match(output, /\r\nSent to 150 of 150 chats in [^\n]*\r\n$/);
      assert.not.ok(output.includes("\u001b[?"), "no mode of the terminal is changed");
    }),
);

test.run();
