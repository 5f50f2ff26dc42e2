/** The playground without its page: who may ask it, what it tells and changes, and that it ends. */
import { mkdtemp, readdir } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, suite } from "../harness.ts";
import { type Running, runScript, startScript } from "../support/script.ts";
import { rm } from "../support/leaks.ts";

interface Context {
  running: Running;
  port: number;
  /** Where it may leave nothing. */
  folder: string;
}

const test = suite<Context>("playground", undefined, 60_000);
const permissions = "-P=sandbox";

test.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "playground-test-"));
  context.running = startScript(
    ["examples/playground.ts", "--every", "0"],
    { TMPDIR: context.folder },
    permissions,
    "tsx",
  );
  await context.running.printed("Ctrl-C ends it.\n");
  context.port = Number(/http:\/\/127\.0\.0\.1:(\d+)\//.exec(context.running.output)?.[1]);
});

test.after(async ({ running, folder }) => {
  running.kill("SIGKILL");
  await running.ended;
  await rm(folder, { recursive: true });
});

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answered {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** As `fetch`, which lets nobody choose a Host or an Origin. */
async function ask(
  port: number,
  path: string,
  { method = "GET", headers = {}, body }: Asked = {},
): Promise<Answered> {
  const response = await opened(port, path, { method, headers, ...body !== undefined && { body } });
  let text = "";
  for await (const part of response.setEncoding("utf8")) text += part;
  return { status: response.statusCode, headers: response.headers, body: text };
}

function opened(port: number, path: string, { method, headers, body }: Asked): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
    asked.once("response", resolve).once("error", reject).end(body);
  });
}

function act(port: number, name: string, parameters: unknown): Promise<Answered> {
  return ask(port, `/actions/${name}`, {
    method: "POST",
    headers: own(port),
    body: JSON.stringify(parameters),
  });
}

/** What the page's own requests carry. */
function own(port: number): Record<string, string> {
  return { "Origin": `http://127.0.0.1:${port}`, "Content-Type": "application/json" };
}

interface Told {
  /** The data of the first event of the topic, past or to come, that is as wanted. */
  first(topic: string, wanted: RegExp): Promise<string>;
  /** All that has come. */
  readonly text: string;
  close(): void;
}

/** What a page that is opened now is told. */
async function listen(port: number): Promise<Told> {
  const stream = await opened(port, "/events", {});
  const waiting = new Set<() => void>();
  let text = "";
  stream.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    for (const check of [...waiting]) check();
  }).on("error", () => {});
  const found = (topic: string, wanted: RegExp): string | undefined =>
    text.split("\n\n").slice(0, -1)
      .filter((event) => event.startsWith(`event: ${topic}\n`))
      .find((event) => wanted.test(event));
  return {
    first: (topic, wanted) =>
      new Promise((resolve) => {
        const check = (): void => {
          const event = found(topic, wanted);
          if (event === undefined) return;
          waiting.delete(check);
          resolve(event);
        };
        waiting.add(check);
        check();
      }),
    get text() {
      return text;
    },
    close: () => void stream.destroy(),
  };
}

function pidIn(state: string): number {
  return Number(/"pid":(\d+)/.exec(state)?.[1]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("serves a page that may load nothing from elsewhere, and be framed nowhere", async ({ port }) => {
  const { status, headers, body } = await ask(port, "/");
  assert.is(status, 200);
  assert.match(body, /^<!doctype html>/);
  const policy = String(headers["content-security-policy"]);
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'; /);
  assert.match(policy, /connect-src 'self';.* frame-ancestors 'none'$/);
  assert.not.match(policy, /unsafe|\*|https?:/);
  assert.is(headers["x-content-type-options"], "nosniff");
});

test("serves the page's style and script as what they are, and nothing that stands in the page", async ({ port }) => {
  const { body } = await ask(port, "/");
  assert.not.match(body, /<style|<script(?! type="module" src="page\.js"><)| style=| on\w+=/);
  for (const [path, type] of [["/page.css", /^text\/css/], ["/page.js", /^text\/javascript/]] as const) {
    const { status, headers, body } = await ask(port, path);
    assert.is(status, 200, path);
    assert.match(String(headers["content-type"]), type);
    assert.match(String(headers["content-security-policy"]), /default-src 'none'/);
    assert.ok(body.length > 1000, path);
  }
  for (const path of ["/index.html", "/page.html", "/bot.ts", "/page/page.js", "/../bot.ts"]) {
    assert.is((await ask(port, path)).status, 404, path);
  }
});

const routes = ["/", "/page.css", "/page.js", "/events", "/photos/x", "/actions/signal", "/nothing"];

test("refuses another Host, on every route", async ({ port }) => {
  for (const path of routes) {
    for (const host of ["signals.example", `signals.example:${port}`, "127.0.0.1", `127.0.0.1:${port + 1}`]) {
      const { status } = await ask(port, path, { headers: { host } });
      assert.is(status, 403, `${path} of ${host}`);
    }
  }
  const post = { method: "POST", headers: { ...own(port), host: "signals.example" }, body: "{}" };
  assert.is((await ask(port, "/actions/signal", post)).status, 403);
  const { status } = await ask(port, "/", { headers: { host: `localhost:${port}` } });
  assert.is(status, 200, "localhost is another name for it");
});

test("refuses other origins, on every route", async ({ port }) => {
  const origins = [
    "https://signals.example",
    "null",
    `http://127.0.0.1:${port + 1}`,
    `https://127.0.0.1:${port}`,
  ];
  for (const path of routes) {
    for (const origin of origins) {
      assert.is((await ask(port, path, { headers: { origin } })).status, 403, `${path} from ${origin}`);
    }
    const { status } = await ask(port, path, { headers: { "Sec-Fetch-Site": "cross-site" } });
    assert.is(status, 403, path);
  }
});

test("changes something only for a POST of JSON from the page itself", async ({ port }) => {
  const body = JSON.stringify({ text: "/start" });
  const [path, method] = ["/actions/say", "POST"];
  const { Origin: _origin, ...noOrigin } = own(port);
  const foreign = { ...own(port), Origin: "https://signals.example" };
  const plain = { ...own(port), "Content-Type": "text/plain" };
  assert.is((await ask(port, path)).status, 405);
  assert.is((await ask(port, path, { method, headers: noOrigin, body })).status, 403);
  assert.is((await ask(port, path, { method, headers: foreign, body })).status, 403);
  assert.is((await ask(port, path, { method, headers: plain, body })).status, 415);
  assert.is((await ask(port, path, { method, headers: own(port), body: "[" })).status, 400);
  assert.is((await ask(port, path, { method, headers: own(port), body: "x".repeat(70_000) })).status, 413);
  assert.is((await act(port, "say", { text: " " })).status, 400);
  assert.is((await act(port, "kill", { on: "yes" })).status, 400);
  assert.is((await act(port, "format", {})).status, 404);
  assert.is((await ask(port, "/photos/..%2f..%2fpackage")).status, 404);
  const told = await listen(port);
  await told.first("state", /"isBlocked":false/);
  assert.not.match(told.text, /event: message/, "nothing was said");
  told.close();
});

test("tells the chat, the table and the log as they change", async ({ port }) => {
  const told = await listen(port);
  await told.first("state", /"bot":"running"/);
  assert.is((await act(port, "say", { text: "/start" })).status, 204);
  await told.first("message", /"from":"you","text":"\/start"/);
  await told.first("message", /"from":"bot","text":"Welcome! You are subscribed/);
  await told.first("items", /"chat_id":\{"N":"1001"\}/);
  await told.first("log", /300 active chats, kept in the DynamoDB table/);
  assert.not.match(told.text, /1000000:AA/, "the token is told nobody");
  told.close();
});

test("its switches switch", async ({ port }) => {
  const told = await listen(port);
  for (const [name, field] of [["outage", "isDatabaseDown"], ["flood", "isFlooded"]] as const) {
    assert.is((await act(port, name, { on: true })).status, 204);
    await told.first("state", new RegExp(`"${field}":true`));
    assert.is((await act(port, name, { on: false })).status, 204);
  }
  await act(port, "block", { on: true });
  await told.first("state", /"isBlocked":true/);
  await told.first("items", /"removed_reason":\{"S":"blocked"\}/);
  assert.is((await act(port, "say", { text: "Hello?" })).status, 409);
  await act(port, "block", { on: false });
  await told.first("message", /"from":"bot","text":"Welcome back/);
  told.close();
});

test("a bot that is killed is dead, and what was said meanwhile is heard by the next one", async ({ port }) => {
  const told = await listen(port);
  const pid = pidIn(await told.first("state", /"bot":"running"/));
  assert.ok(isAlive(pid));
  await act(port, "kill", { on: true });
  await told.first("state", /"bot":"killed"/);
  assert.not(isAlive(pid));
  await act(port, "say", { text: "Are you there?" });
  await told.first("state", /"bot":"killed".*"waiting":1/);
  await act(port, "kill", { on: false });
  await told.first(
    "items",
    /"chat_id":\{"N":"1001"\}.*"message_count":\{"N":"2"\}|"message_count":\{"N":"2"\}.*"chat_id":\{"N":"1001"\}/,
  );
  await told.first("log", /301 active chats, kept in the DynamoDB table/);
  told.close();
});

test("killed and started at the same moment, there is one bot, and the switch has hold of it", async ({ port }) => {
  await Promise.all([act(port, "kill", { on: true }), act(port, "kill", { on: false })]);
  const told = await listen(port);
  const pid = pidIn(await told.first("state", /"bot":"running"/));
  assert.not.match(told.text, /"bot":"ended"/, "the end of the one before is not its own");
  assert.ok(isAlive(pid));
  await act(port, "kill", { on: true });
  assert.not(isAlive(pid));
  await act(port, "kill", { on: false });
  told.close();
});

test("ends cleanly on SIGINT, with its bot, and leaves nothing behind", async ({ running, port, folder }) => {
  const told = await listen(port);
  const pid = pidIn(await told.first("state", /"bot":"running"/));
  const isOurs = (name: string): boolean => name.startsWith("telegram-signals-");
  assert.is((await readdir(folder)).filter(isOurs).length, 1);
  running.kill("SIGINT");
  const { status, output } = await running.ended;
  assert.is(status, 0, output);
  assert.match(output, /\nClosing the playground\.\n$/);
  assert.not.match(output, /\bat .*:\d+:\d+|token/i);
  assert.not(isAlive(pid));
  assert.equal((await readdir(folder)).filter(isOurs), []);
});

test("explains itself, and what is wrong with its arguments", async () => {
  const [help, wrong] = await Promise.all(
    [["--help"], ["--port", "http"]].map((args) =>
      runScript(["examples/playground.ts", ...args], {}, permissions)
    ),
  );
  assert.match(help?.output ?? "", /--port N/);
  assert.equal([help?.status, wrong?.status], [0, 2]);
  assert.match(wrong?.output ?? "", /--port must be a whole number from 0 to 65535: current value is "http"/);
});

test.run();
