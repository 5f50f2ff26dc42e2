/** A signal from the command line, and what is asked before anything goes to people. */
import { execFile, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { said } from "../support/bot.ts";
import { inFolder } from "../support/examples.ts";
import { searchText } from "../support/leaks.ts";
import { commandFor } from "../support/runtime.ts";
import { type Ended, root, runScript } from "../support/script.ts";
import { pythonItem } from "../support/storage.ts";
import { realToken, withSubscribers } from "../support/subscribers.ts";
import { hasTerminals, runAtTerminal } from "../support/terminal.ts";

const test = suite("send", undefined, 120_000);

const script = "cli/main.ts";
const facts = { direction: "long", symbol: "BTC-USD", entry: "67250.50", stop: "66980", target: "67800" };
const asOptions = Object.entries(facts).map(([name, value]) => `--${name}=${value}`);
const withFacts = [script, "send", ...asOptions];

const textTo = ({ inbox }: LocalUser): string => inbox[0]?.text ?? "";

/** Runs the command with this text on its standard input; gives its two outputs apart. */
function runWithInput(
  input: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended & { readonly json: string }> {
  const [program, ...before] = commandFor(script, "-P");
  const child = spawn(program, [...before, ...args], { cwd: root, env: { ...process.env, ...env } });
  let [json, output] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => json += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => output += text);
  // A program that has ended for another reason does not read it.
  child.stdin.on("error", () => {}).end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      searchText(json + output, "the output of send");
      resolve({ status, output: json + output, json });
    });
  });
}

test("a signal as arguments: everyone has its ticket, with the digits that were given", () =>
  withSubscribers({ count: 2 }, async ({ users, env }) => {
    const { status, output } = await runScript(
      [...withFacts, "--tick-size", "0.01", "--note", "A note"],
      env,
    );
    assert.is(status, 0, output);
    assert.match(output, /^Sent to 2 of 2 chats in \d+\.\d s\.$/m);
    for (const user of users) {
      assert.match(textTo(user), /LONG BTC-USD\n\nEntry: 67250\.50\n[^]*A note/);
    }
  }));

test("a signal as JSON on standard input; its id sends it once; the report as JSON, and nothing beside it", () =>
  withSubscribers({ count: 2 }, async ({ users, ledgerEnv }) => {
    const send = async (signal: object): Promise<[number | null, Record<string, unknown>]> => {
      const { status, json } = await runWithInput(JSON.stringify(signal), ["send", "--json"], ledgerEnv);
      return [status, JSON.parse(json)];
    };
    const signal = { ...facts, id: 7, entry: 67250.5, time: "2026-11-27T12:00:00Z" };
    for (const wasAlreadySent of [false, true]) {
      const [status, report] = await send(signal);
      assert.equal([status, report["sent"], report["wasAlreadySent"]], [0, 2, wasAlreadySent]);
    }
    const [status, report] = await send({ ...signal, target: 68000 });
    assert.equal([status, report["wasAlreadySent"], report["differs"]], [1, true, true]);
    for (const user of users) assert.is(said(user).length, 1);
  }));

test("mistakes are told in a line, before anything is asked of anybody", async () => {
  const mistakes: [input: string, args: string[], words: RegExp][] = [
    ["", [], /^A signal is needed: as arguments, or as JSON on standard input; --help explains\n$/],
    ["{", [], /^Standard input must be JSON: [^\n]*; --help explains\n$/],
    ["[1]", [], /^Standard input must be a signal: a JSON object; --help explains\n$/],
    ['{"id":[]}', [], /^"id" must be a text: current value is \[\]; --help explains\n$/],
    [
      JSON.stringify({ ...facts, stop: 70_000 }),
      [],
      /^Cannot use the signal as "stop" must be below "entry"/,
    ],
    [
      "",
      ["--symbol", "X"],
      /^The signal has no --direction, --entry, --stop, --target: [^\n]*; --help explains\n$/,
    ],
    [JSON.stringify(facts), ["--note", "X"], /^The signal has no --direction, .* whole as JSON, without/],
    ["", ["--simbol", "X"], /^Unknown option '--simbol' \(did you mean --symbol\?\); --help explains\n$/],
    [
      "",
      [...asOptions, "--dry-run=me"],
      /^--dry-run must be nothing, or a chat's id, .*"me"; --help explains\n$/,
    ],
  ];
  const ends = await Promise.all(mistakes.map(([input, args]) => runWithInput(input, ["send", ...args], {})));
  for (const [index, { status, output }] of ends.entries()) {
    assert.match(output, mistakes[index]?.[2] as RegExp);
    assert.is(status, 2, output);
  }
});

test("without a terminal nothing goes to people, unless --yes says so", () =>
  withSubscribers({ count: 2, token: realToken }, async ({ telegram, users, env }) => {
    for (const args of [withFacts, [script, "broadcast", "Hello"]]) {
      const { status, output } = await runScript(args, env);
      assert.is(status, 2, output);
      assert.match(output, "Nothing was sent: there is no terminal to ask at, so --yes has to be given");
    }
    assert.is(telegram.countCalls("getMe"), 0);
    const { status, output } = await runScript([...withFacts, "--yes"], env);
    assert.is(status, 0, output);
    for (const user of users) assert.is(said(user).length, 1);
  }));

if (hasTerminals) {
  test("at a terminal it shows what will be sent, and to how many, and asks", () =>
    withSubscribers({ count: 2, token: realToken }, async ({ users, env }) => {
      const command = [...commandFor(script, "-P"), ...withFacts.slice(1)];
      const ask = (answer: string): Promise<Ended> =>
        runAtTerminal(command, { question: "[y/N]", answer, env });
      const { status, output } = await ask("n");
      assert.is(status, 1, output);
      assert.match(output, /LONG BTC-USD\n\nEntry: 67250\.50\n[^]*Send this to 2 chats\? \[y\/N\]/);
      assert.match(output, /Nothing was sent\.\n/);
      assert.equal(users.map(said), [[], []]);
      const sent = await ask("y");
      assert.is(sent.status, 0, sent.output);
      assert.match(sent.output, "Sent to 2 of 2 chats");
    }));
}

test("--dry-run shows it on the screen alone, without any bot", async () => {
  const { status, output } = await runScript([...withFacts, "--dry-run"], { TELEGRAM_BOT_TOKEN: "" });
  assert.is(status, 0, output);
  assert.match(output, /LONG BTC-USD\n\nEntry: 67250\.50\n[^]*\n\nNothing was sent: this is a dry run\.\n$/);
  const broadcast = await runScript([script, "broadcast", "--dry-run", "Hi\u001b[2J"], {
    TELEGRAM_BOT_TOKEN: "",
  });
  assert.is(broadcast.output, "Hi\\u001b[2J\n\nNothing was sent: this is a dry run.\n");
});

test("--dry-run CHAT_ID sends to that chat alone, and takes no id from what everyone gets", () =>
  withSubscribers({ count: 2, token: realToken }, async ({ users, ledgerEnv }) => {
    const [one, other] = users;
    const named = [...withFacts, "--id", "X"];
    for (const times of [1, 2]) {
      const { status, output } = await runScript([...named, "--dry-run", String(one?.chatId)], ledgerEnv);
      assert.is(status, 0, output);
      assert.match(output, "Sent to 1 of 1 chat ");
      assert.equal([one, other].map((user) => user?.inbox.length), [times, 0]);
    }
    const { output } = await runScript([...named, "--yes"], ledgerEnv);
    assert.match(output, "Sent to 2 of 2 chats");
  }));

test("--dry-run to a chat that gets nothing says why, and what to do", () =>
  withSubscribers({ count: 1 }, async ({ table, ledgerEnv }) => {
    const at = "2026-11-20T11:16:54.224Z";
    const reasons: [reason: string, words: string][] = [
      [
        "stopped",
        "was unsubscribed at 2026-11-20 11:16 UTC, by /stop or by hand: send /start to the bot there.",
      ],
      ["blocked", "blocked the bot at 2026-11-20 11:16 UTC: unblock it there, and send /start."],
      ["left", "removed the bot at 2026-11-20 11:16 UTC: add it there again, and send /start."],
      [
        "gone",
        "was not found by Telegram at 2026-11-20 11:16 UTC: if it exists again, send /start to the bot there.",
      ],
      ["inactive", "was deactivated at 2026-11-20 11:16 UTC, as it had not written for long: send /start"],
      ["migrated", "became a supergroup at 2026-11-20 11:16 UTC: use its new id, -1005."],
      ["none", "was deactivated at 2026-11-20 11:16 UTC by another program: send /start to the bot there."],
    ];
    for (const [index, [reason]] of reasons.entries()) {
      await table.put(pythonItem({
        chat_id: { N: String(index + 1) },
        is_active: { BOOL: false },
        ...reason === "none" ? { removed_at: { S: "2026-11-20T11:16:54.224392+00:00" } } : {
          removed_at: { S: at },
          removed_reason: { S: reason },
          migrated_to: { N: "-1005" },
        },
      }));
    }
    const wanted = reasons.map(([, words], index) => [index + 1, `the chat ${index + 1} ${words}`] as const);
    const unknown =
      'the table "telegram-chats" has no chat 99: send /start to the bot there, or, if that was done,';
    for (const [chatId, words] of [...wanted, [99, unknown] as const]) {
      const { status, output } = await runScript([...withFacts, "--dry-run", String(chatId)], ledgerEnv);
      assert.is(status, 1, output);
      assert.match(output, `\nNothing was sent: ${words}`);
      assert.not.match(output, "Sent to");
    }
    const json = await runScript([...withFacts, "--json", "--dry-run", "99"], ledgerEnv);
    assert.match(json.output, '"recipients": 0');
    const persistence = await runScript(["examples/test_persistence.ts", "--dry-run", "2"], ledgerEnv);
    assert.is(persistence.status, 1, persistence.output);
    assert.match(
      persistence.output,
      "Nothing was sent: the chat 2 blocked the bot at 2026-11-20 11:16 UTC: unblock",
    );
  }));

/** Runs the line in a shell. */
function runShell(line: string, env: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: root, env: { ...process.env, ...env } };
    execFile("sh", ["-c", line], options, (error, out, err) => {
      resolve({ status: Number(error?.code ?? 0), output: out + err });
    });
  });
}

test("a file of JSON beside arguments is refused; a loop's file and a pipe that nobody writes to are left alone", () =>
  inFolder(async (folder) => {
    const file = join(folder, "signal.json");
    await writeFile(file, `${JSON.stringify({ ...facts, note: "from the file" })}\n`);
    const lines = join(folder, "lines");
    await writeFile(lines, "one\ntwo\n");
    const send = [...commandFor(script, "-P"), ...withFacts.slice(1), "--dry-run"].join(" ");
    const refused = await runShell(`${send} < ${file}`, {});
    assert.is(refused.status, 2, refused.output);
    assert.match(
      refused.output,
      /^Nothing was sent: a signal is either arguments or JSON on standard input, and both are given; [^\n]*\n$/,
    );
    const sent = "Nothing was sent: this is a dry run.";
    const count = async (line: string): Promise<number> =>
      (await runShell(line, {})).output.split(sent).length - 1;
    assert.is(await count(`${send} < /dev/null`), 1);
    assert.is(await count(`while read -r line; do ${send}; done < ${lines}`), 2);
    assert.is(await count(`while read -r line; do ${send}; done < ${file}`), 1);
    assert.is(await count(`mkfifo ${folder}/pipe; exec 3<>${folder}/pipe; ${send} <&3`), 1);
  }));

test.run();
