/** The fetch of Node's: what arrives, what comes back, and what an error says. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createNetServer, type Socket } from "node:net";
import process from "node:process";
import { createNodeFetch } from "../../../lib/util/http/node_fetch.ts";
import { outcomeOf } from "../../../lib/telegram/outcome.ts";
import { assert, suite } from "../../harness.ts";
import { deadAddress } from "../../support/bot.ts";
import { failureOf } from "../../support/storage.ts";

const test = suite("createHttpFetch()", {}, 30_000);

interface Site {
  readonly url: string;
  readonly connections: () => number;
}

async function withSite(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
  visit: (site: Site) => Promise<void>,
): Promise<void> {
  let connections = 0;
  const server: Server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => body += part);
    request.on("end", () => answer(request, response, body));
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    await visit({ url: `http://127.0.0.1:${port}/bot1:a/sendMessage`, connections: () => connections });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** As grammY wraps it. */
const wrapped = (error: unknown): object => Object.assign(new Error("failed"), { name: "HttpError", error });

const echo = (request: IncomingMessage, response: ServerResponse, body: string): void => {
  response.end(JSON.stringify({ method: request.method, headers: request.headers, body }));
};

test("a text arrives as it is, with its length, and the answer is read as JSON", async () => {
  await withSite(echo, async ({ url, connections }) => {
    const ask = createNodeFetch();
    const headers = { "content-type": "application/json" };
    for (const body of ['{"text":"🟢 é"}', "{}"]) {
      const response = await ask(url, { method: "POST", headers, body });
      assert.equal([response.ok, response.status], [true, 200]);
      const echoed = await response.json();
      assert.is(echoed.body, body);
      assert.is(echoed.headers["content-type"], "application/json");
      assert.is(Number(echoed.headers["content-length"]), new TextEncoder().encode(body).length);
    }
    assert.is(connections(), 1, "the connection is kept");
  });
});

test("a stream arrives whole, and one that fails is an error", async () => {
  await withSite(echo, async ({ url }) => {
    const parts = ["one ", "🟢 ", "three"].map((part) => new TextEncoder().encode(part));
    const good = new ReadableStream<Uint8Array>({
      pull(controller) {
        const part = parts.shift();
        if (part === undefined) controller.close();
        else controller.enqueue(part);
      },
    });
    const ask = createNodeFetch();
    assert.is((await (await ask(url, { method: "POST", body: good })).json()).body, "one 🟢 three");
    // Deno, which has a fetch of its own here, never hears of it.
    if (process.versions["deno"] !== undefined) return;
    const bad = new ReadableStream({ start: (controller) => controller.error(new Error("no such file")) });
    assert.match((await failureOf(ask(url, { method: "POST", body: bad }))).message, "no such file");
  });
});

test("an answer that is none of 2xx is an answer", async () => {
  const refuse = (_request: IncomingMessage, response: ServerResponse): void => {
    response.statusCode = 429;
    response.end('{"ok":false}');
  };
  await withSite(refuse, async ({ url }) => {
    const response = await createNodeFetch()(url);
    assert.equal([response.ok, response.status, await response.text()], [false, 429, '{"ok":false}']);
  });
});

test("no connection: it was certainly not sent; a broken or torn one: it may have been", async () => {
  const ask = createNodeFetch();
  const refused = await failureOf(
    ask(`${await deadAddress()}/bot1:a/sendMessage`, { method: "POST", body: "{}" }),
  );
  assert.equal(outcomeOf(wrapped(refused)), { kind: "notSent" });
  await withSite((request) => request.socket.destroy(), async ({ url }) => {
    const broken = await failureOf(ask(url, { method: "POST", body: "{}" }));
    assert.equal(outcomeOf(wrapped(broken)), { kind: "unknown" });
  });
  const tear = (request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { "content-length": "100" });
    response.write('{"ok":');
    setTimeout(() => request.socket.destroy(), 20);
  };
  await withSite(tear, async ({ url }) => {
    const torn = await failureOf(ask(url, { method: "POST", body: "{}" }));
    assert.equal(outcomeOf(wrapped(torn)), { kind: "unknown" });
  });
});

test("what is aborted ends with the reason, before and in the middle", async () => {
  await withSite(() => {}, async ({ url }) => {
    const ask = createNodeFetch();
    const early = await failureOf(ask(url, { signal: AbortSignal.abort(new Error("too early")) }));
    assert.match(early.message, "too early");
    const controller = new AbortController();
    const asking = failureOf(ask(url, { signal: controller.signal }));
    setTimeout(() => controller.abort(new Error("enough")), 20);
    assert.match((await asking).message, "enough");
  });
});

// Deno goes another way, and its HTTP client of Node's would wait here for ever.
if (process.versions["deno"] === undefined) {
  test("a proxy that never answers: what is aborted ends with the reason, and its connection with it", async () => {
    const proxy = createNetServer();
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const before = { ...process.env };
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    Object.assign(process.env, { HTTPS_PROXY: url, NO_PROXY: "" });
    try {
      const controller = new AbortController();
      const asking = failureOf(createNodeFetch()("https://api.telegram.test", { signal: controller.signal }));
      const [socket] = await once(proxy, "connection") as [Socket];
      const closed = once(socket.on("error", () => {}).resume(), "close");
      controller.abort(new Error("enough"));
      assert.match((await asking).message, "enough");
      await closed;
    } finally {
      for (const name of ["HTTPS_PROXY", "NO_PROXY"]) delete process.env[name];
      Object.assign(process.env, before);
      proxy.close();
    }
  });
}

test("what is no JSON rejects where it is read, and what is no address at once", async () => {
  await withSite((_request, response) => void response.end("<html>"), async ({ url }) => {
    const response = await createNodeFetch()(url);
    assert.instance(await failureOf(response.json() as Promise<unknown>), SyntaxError);
  });
  assert.match((await failureOf(createNodeFetch()("ftp://example.org"))).message, "only http and https");
});

test.run();
