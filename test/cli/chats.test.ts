/** The table looked after from the command line, as a user does it. */
import { spawn } from "node:child_process";
import process from "node:process";
import type { Chat, ChatStatistics } from "../../mod.ts";
import { startDynamoDB } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { commandFor } from "../support/runtime.ts";
import { root, runScript } from "../support/script.ts";
import { withProgramFolder } from "../support/program_folder.ts";
import { pythonId, pythonItem, startTable, type TableFixture } from "../support/storage.ts";

const test = suite("chats", undefined, 60_000);
const day = 86_400_000;

interface Said {
  readonly status: number | null;
  readonly output: string;
  /** The output as JSON. */
  json<T>(): T;
}

type Manage = (...args: string[]) => Promise<Said>;

function environment(table: TableFixture): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_DYNAMODB: table.gate.endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
}

/** A table behind the gate, and the script in front of it. */
async function withTable(body: (manage: Manage, table: TableFixture) => Promise<void>): Promise<void> {
  const table = await startTable({ isOverHttp: true });
  const env = environment(table);
  const manage: Manage = async (...args) => {
    const { status, output } = await runScript(["examples/manage_chats.ts", ...args], env);
    return { status, output, json: <T>() => JSON.parse(output) as T };
  };
  try {
    await body(manage, table);
    assert.equal(table.trespasses(), []);
  } finally {
    await table.close();
  }
}

function silent(chatId: number, days: number, more: object = {}): Parameters<TableFixture["put"]>[0] {
  return pythonItem({
    chat_id: { N: String(chatId) },
    last_active: { S: new Date(Date.now() - days * day).toISOString() },
    ...more,
  });
}

test("save, show, deactivate, reactivate, stats", async () => {
  await withTable(async (manage) => {
    const saved = await manage("save", "-1001234", "--username", "desk", "--first-name", "The desk");
    assert.equal([saved.status, saved.output], [0, "Chat -1001234: created.\n"]);
    const shown = await manage("show", "-1001234", "--json");
    const chat = shown.json<Chat>();
    assert.equal([chat.chat_id, chat.is_active, chat.message_count], [-1001234, true, 0]);
    assert.equal(chat.user_info, { username: "desk", first_name: "The desk" });
    assert.match((await manage("deactivate", "-1001234")).output, "Chat -1001234: deactivated.");
    assert.equal((await manage("deactivate", "-1001234", "--json")).json(), {
      chat_id: -1001234,
      deactivated: false,
    });
    assert.match((await manage("list", "--inactive")).output, /^ +-1001234 {2}stopped .*The desk @desk\n$/);
    assert.match((await manage("reactivate", "-1001234")).output, "Chat -1001234: reactivated.");

    const { lastActiveByDay, ...figures } = (await manage("stats", "--json")).json<ChatStatistics>();
    assert.equal(figures, {
      totalChats: 1,
      activeChats: 1,
      inactiveChats: 0,
      totalMessages: 0,
      averageMessagesPerChat: 0,
    });
    assert.is(lastActiveByDay.length, 30);
    assert.is(
      lastActiveByDay.reduce((sum, chats) => sum + chats),
      1,
      "it was saved today, or a moment before it",
    );
    assert.match(
      (await manage("stats")).output,
      /Chats +1\nActive +1\nInactive +0\nMessages +0, 0\.0 a chat\n/,
    );
  });
});

test("list shows the Python bot's chats too, in lines and as JSON", async () => {
  await withTable(async (manage, table) => {
    await table.put(pythonItem());
    assert.match((await manage("list")).output, /123456789 {2}active +42 messages .*John @johndoe\n/);
    const [chat] = (await manage("list", "--active", "--json")).json<Chat[]>();
    assert.is(chat?.chat_id, pythonId);
    assert.equal(chat?.user_info["groups"], ["a", "b"]);
    assert.match((await manage("show", String(pythonId))).output, '"groups":["a","b"]');
  });
});

test("find shows the chats whose title, name or username has the text", async () => {
  await withTable(async (manage) => {
    await manage("save", "5", "--username", "ada_l", "--first-name", "Ada", "--last-name", "Lovelace");
    await manage("save", "6", "--username", "Canada", "--first-name", "Zoë");
    await manage("save", "-1007", "--first-name", "The desk");
    await manage("deactivate", "6");
    const idsOf = async (...args: string[]): Promise<number[]> =>
      (await manage("find", "--json", ...args)).json<Chat[]>().map(({ chat_id }) => chat_id).sort();
    assert.equal(await idsOf("ADA"), [5, 6]);
    assert.equal(await idsOf("@ada"), [5, 6]);
    assert.equal(await idsOf("ada love"), [5]);
    assert.equal(await idsOf("zoe\u0308"), [6], "another form of ë");
    assert.equal(await idsOf("ada", "--active"), [5]);
    const found = await manage("find", "desk");
    assert.equal([found.status, /^ +-1007 {2}active .*The desk\n$/.test(found.output)], [0, true]);
    const none = await manage("find", "nobody\u001b[2J");
    const words = 'No chat has "nobody\\u001b[2J" in its title, name or username.\n';
    assert.equal([none.status, none.output], [1, words]);
    assert.equal((await manage("find", "nobody", "--json")).output, "[]\n");
  });
});

test("cleanup shows whom it would remove and why, and does it only when told", async () => {
  await withTable(async (manage, table) => {
    await table.put(silent(1, 40));
    await table.put(silent(2, 10));
    await table.put(silent(3, 50, { is_active: { BOOL: false } }));
    await table.put(silent(4, 60, { last_active: { NULL: true } }));
    const looked = await manage("cleanup");
    assert.match(
      looked.output,
      /1 active chat has not written for 30 days:\n +1 {2}active .* silent for 40 days\n/,
    );
    assert.match(looked.output, "leaves 1 active chats alone that have no readable last_active");
    assert.match(
      looked.output,
      "Nothing was changed: there is no terminal to ask at, so --yes has to be given",
    );
    assert.is(looked.status, 2);
    assert.equal((await table.item(1))?.["is_active"], { BOOL: true });
    const other = await manage("cleanup", "--days", "5", "--json");
    assert.equal(
      JSON.parse(other.output.slice(other.output.indexOf("{"))).stale.map((chat: Chat) => chat.chat_id)
        .sort(),
      [1, 2],
    );
    const done = await manage("cleanup", "--yes");
    assert.match(done.output, "Deactivated 1.");
    assert.equal((await table.item(1))?.["removed_reason"], { S: "inactive" });
    assert.equal((await table.item(2))?.["is_active"], { BOOL: true });
    assert.match((await manage("cleanup")).output, "0 active chats have not written for 30 days.");
  });
});

test("mistakes are told in a line, before anything is asked of DynamoDB", async () => {
  await withTable(async (manage, table) => {
    const mistakes: [string[], string][] = [
      [["remove", "1"], 'There is no command "remove"'],
      [["show", "1", "-2"], '"show" takes one chat\'s id'],
      [
        ["save", "9007199254740993"],
        'must be a whole number of up to 52 bits: current value is "9007199254740993"',
      ],
      [["save", "4503599627370496"], '"chatId" must be a whole number of up to 52 bits'],
      [["find"], '"find" takes one text, in quotation marks if it has blanks'],
      [["find", "Ada", "Lovelace"], '"find" takes one text'],
      [["find", "@"], '"TEXT" must be a part of a name: current value is "@"'],
      [["stats", "--yes"], '"stats" takes no --yes'],
      [["cleanup", "--days", "0"], '"days" must be a number above 0: current value is "0"'],
    ];
    for (const [args, words] of mistakes) {
      const { status, output } = await manage(...args);
      assert.match(output, words);
      assert.match(output, /^[^\n]*; --help explains\n$/);
      assert.is(status, 2, output);
    }
    assert.is(table.gate.requests, 0);
  });
});

test("a list that nobody reads to its end ends without a word", async () => {
  await withTable(async (_manage, table) => {
    const name = `Ada\u001b[31m\n${"a".repeat(150)}`;
    const items = Array.from(
      { length: 700 },
      (_, id) => silent(id + 1, 1, { user_info: { M: { title: { S: name } } } }),
    );
    await table.plant(items);
    const command = commandFor("examples/manage_chats.ts", "-P").join(" ");
    const child = spawn("sh", ["-c", `${command} list | head -n 1`], {
      cwd: root,
      env: { ...process.env, ...environment(table) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => output += text);
    await new Promise((resolve) => child.once("close", resolve));
    assert.match(output, /^ +\d+ {2}active [^\n]* Ada \[31m a+\n$/);
  });
});

test("nothing that is in an item is obeyed by the terminal", async () => {
  await withTable(async (manage, table) => {
    const odd = "\u001b[2J\u009b31m\u202e\n";
    const S = { S: odd };
    await table.put(silent(5, 1, {
      ...{ added_at: S, last_active: S, removed_at: S, is_active: { BOOL: false } },
      user_info: { M: { title: S, first_name: { S: "x".repeat(100_000) }, [odd]: { SS: [odd] } } },
    }));
    const shown = await Promise.all([manage("list"), manage("show", "5"), manage("show", "5", "--json")]);
    for (const { status, output } of shown) {
      assert.is(status, 0);
      // deno-lint-ignore no-control-regex -- they are what is looked for
      assert.not.match(output, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    }
    assert.match(shown[0]?.output ?? "", /^[^\n]{100,600}\n$/);
    assert.is(shown[1]?.output.split("\n").length, 8);
    assert.is(shown[2]?.json<Chat>().added_at, odd, "as JSON it is the same text");
  });
});

test("a chat that is unknown, or a table that cannot be used, is exit status 1", async () => {
  await withTable(async (manage, table) => {
    for (const command of ["show", "deactivate"]) {
      const { status, output } = await manage(command, "5");
      assert.equal([status, output], [1, "There is no chat 5 in the table.\n"]);
    }
    assert.is(await table.size(), 0, "no ghost");
    const fault = table.gate.deny("Scan");
    const { status, output } = await manage("stats");
    fault.clear();
    assert.is(status, 1);
    assert.match(output, /^AWS denies dynamodb:Scan on the table "telegram-chats"[^\n]*\n$/);
  });
});

test("--help explains, and so does nothing at all", async () => {
  await withTable(async (manage) => {
    const help = await manage("--help");
    assert.is(help.status, 0);
    assert.match(help.output, /cleanup \[--days N\] \[--yes\]/);
    assert.is((await manage()).output, help.output);
  });
});

test(".env is held to what a bot's is held to", () =>
  withProgramFolder({
    ".env": "NODE_TLS_REJECT_UNAUTHORIZED=0\nAWS_ENDPOINT_URL_DYNAMODB=https://evil.invalid\n",
  }, async ({ run }) => {
    const keys = {
      AWS_ACCESS_KEY_ID: "caller",
      AWS_SECRET_ACCESS_KEY: "callers",
      AWS_SESSION_TOKEN: "session",
    };
    const { status, output } = await run("examples/manage_chats.ts", ["list"], keys);
    assert.is(status, 2, output);
    assert.match(output, "NODE_TLS_REJECT_UNAUTHORIZED in .env does not count");
    assert.match(output, "AWS_ENDPOINT_URL_DYNAMODB in .env counts only for");
  }));

test(".env has settings for it", async () => {
  await using db = await startDynamoDB();
  const { accessKeyId, secretAccessKey } = db.credentials;
  const file = `AWS_ENDPOINT_URL_DYNAMODB=${db.endpoint}\nAWS_REGION=${db.region}\n` +
    `AWS_ACCESS_KEY_ID=${accessKeyId}\nAWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`;
  await withProgramFolder({ ".env": file }, async ({ run }) => {
    const { status, output } = await run("examples/manage_chats.ts", ["save", "5"]);
    assert.is(status, 1, output);
    assert.match(output, /table "telegram-chats"/i);
  });
});

test.run();
