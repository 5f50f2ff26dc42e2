/** A broadcast from the command line, as a user does it. */
import { spawn, spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert, suite } from "../harness.ts";
import { said } from "../support/bot.ts";
import { commandFor } from "../support/runtime.ts";
import { type Ended, root, type Running, runScript, startScript } from "../support/script.ts";
import { rm } from "../support/leaks.ts";
import { type Subscribers, withSubscribers } from "../support/subscribers.ts";

const test = suite("broadcast", {}, 120_000);

const script = "cli/main.ts";

interface Stage extends Subscribers {
  start(...args: string[]): Running;
  run(...args: string[]): Promise<Ended>;
}

async function withCommand(
  count: number,
  latencyMs: number,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  await withSubscribers({ count, latencyMs }, async (stage) => {
    const start = (...args: string[]): Running => startScript([script, "broadcast", ...args], stage.env);
    await body({ ...stage, start, run: (...args) => start(...args).ended });
  });
}

test("sends to everyone, and prints the report", () =>
  withCommand(3, 0, async ({ users, run }) => {
    const { status, output } = await run("The market is closed today.");
    assert.is(status, 0, output);
    assert.match(output, /^Sent to 3 of 3 chats in \d+\.\d s\.$/m);
    for (const user of users) assert.equal(said(user), ["The market is closed today."]);
  }));

test("a picture with its caption, once under its name however often it is called", () =>
  withCommand(3, 0, async ({ users, ledgerEnv }) => {
    const picture = `.signals/test-${process.versions["deno"] ? "deno" : "node"}-${process.pid}.png`;
    await mkdir(join(root, ".signals"), { recursive: true });
    await writeFile(join(root, picture), new Uint8Array(1000).fill(7));
    const args = [script, "broadcast", "Good morning", "--photo", picture, "--id", "morning-note"];
    try {
      for (const time of ["first", "second"]) {
        const { status, output } = await runScript(args, ledgerEnv);
        assert.is(status, 0, output);
        const words = time === "first"
          ? /^Sent to 3 of 3 chats/m
          : /^Nothing was sent now: .*, to 3 of 3 chats/m;
        assert.match(output, words);
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

test("where it takes its time, it prints lines; Ctrl-C ends it with the report, and the same id goes on", () =>
  withCommand(300, 50, async ({ users, ledgerEnv }) => {
    const start = (): Running =>
      startScript([script, "broadcast", "Good morning", "--id", "morning"], ledgerEnv);
    const running = start();
    await running.printed("Sending: ");
    running.kill("SIGINT");
    const { status, output } = await running.ended;
    assert.is(status, 1, output);
    assert.match(output, /^Sending: \d+ of 300 \(\d+%\), about \d+ s left$/m);
    assert.match(output, /^Sending: \d+ of 300 sent, \d+ skipped in \d+ s$/m);
    assert.match(output, "Stopping. Ctrl-C again ends at once.");
    assert.match(output, /^Sent to \d+ of 300 chats in .* skipped.* Stopped: it was interrupted\.$/m);
    assert.match(output, /^The same call with --id "morning" sends it to the others\.$/m);
    const reached = users.filter((user) => said(user).length === 1).length;
    assert.is(reached, Number(/Sent to (\d+)/.exec(output)?.[1]));
    const rest = await start().ended;
    assert.match(rest.output, /^Sent to 300 of 300 chats in /m);
    assert.is(rest.status, 0);
    assert.ok(users.every((user) => said(user).length === 1), "and nobody twice");
  }));

test("mistakes are told in a line", () =>
  withCommand(0, 0, async ({ run }) => {
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
  withCommand(0, 0, async ({ run }) => {
    const { status, output } = await run("--help");
    assert.is(status, 0);
    assert.match(output, " broadcast TEXT [--photo FILE] [--id NAME]");
  }));

test("another text under the name of one that was sent is not sent, and that is said", () =>
  withCommand(2, 0, async ({ users, ledgerEnv }) => {
    const send = (text: string): Promise<Ended> =>
      runScript([script, "broadcast", text, "--id", "X"], ledgerEnv);
    assert.is((await send("Version A")).status, 0);
    const { status, output } = await send("Version B");
    assert.is(status, 1, output);
    assert.match(output, /^Nothing was sent now: it was sent at .* UTC, to 2 of 2 chats .*another one\.$/m);
    for (const user of users) assert.equal(said(user), ["Version A"]);
  }));

test("without DynamoDB nothing is sent", () =>
  withCommand(2, 0, async ({ users, table, run }) => {
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
    withCommand(150, 0, async ({ env }) => {
      const command = [...commandFor(script, "-P"), "broadcast", "Good morning"];
      const { status, output } = await onTerminal(command, env);
      assert.is(status, 0, output);
      assert.match(output, /Sending █+░+ \d+% \| \d+\/150 \| about \d+ s left/);
      assert.match(output, /Sending █{24} 100% \| 150 of 150 sent in \d+ s[^\n]*\r\n/);
      assert.match(output, /\r\nSent to 150 of 150 chats in [^\n]*\r\n$/);
      assert.not.ok(output.includes("\u001b[?"), "no mode of the terminal is changed");
    }),
);

test.run();
