/** The simulated Telegram answers every call as the server on loopback does, and each time the same. */
import { gzipSync } from "node:zlib";
import { type BotApiServer, startBotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { manualClock } from "../support/bot_api.ts";
import { fetchOf } from "./service_fetch.ts";
import { SimulatedTelegram } from "./telegram.ts";

const test = suite("sim/telegram_answers");

type Send = (path: string, init?: RequestInit) => Promise<unknown>;

async function described(response: Response): Promise<unknown> {
  const names = ["content-type", "retry-after", "location", "x-proxy"];
  const headers = names.map((name) => response.headers.get(name));
  return { status: response.status, headers, body: await response.text() };
}

/** As a Blob, so that Deno does not repeat the call when the connection breaks. */
const json = (payload: object): RequestInit => ({
  method: "POST",
  body: new Blob([JSON.stringify(payload)], { type: "application/json" }),
});

/** Calls of every kind, with their answers. */
async function playCalls(server: BotApiServer, send: Send): Promise<unknown[]> {
  const ada = server.user({ opened: true });
  const bot = `/bot${server.token}`;
  const answers: unknown[] = [];
  const call = async (path: string, init?: RequestInit): Promise<void> => {
    answers.push(await send(path, init).catch(() => "no answer"));
  };
  const text = (body: string): Promise<void> =>
    call(`${bot}/sendMessage`, json({ chat_id: ada.chatId, text: body }));
  ada.say("/start");
  const calls: [string, RequestInit?][] = [
    [`${bot}/getMe`],
    [`${bot.replace(":", "%3A")}/getme?unused=1`],
    [`${bot}/makeCoffee`],
    ["/elsewhere"],
    ["/bot1:wrong/getMe"],
    ["/botwrong/getMe"],
    [`${bot}/getUpdates?limit=1`],
    [`${bot}/sendMessage`, { method: "POST", body: "{", headers: { "content-type": "application/json" } }],
    [`${bot}/sendMessage`, {
      method: "POST",
      body: new URLSearchParams({ chat_id: String(ada.chatId), text: "12" }),
    }],
    [`${bot}/sendMessage`, json({ chat_id: 5, text: "x" })],
    [`${bot}/sendDice`, json({ chat_id: ada.chatId })],
    [`${bot}/sendMessage`, packed("gzip", { chat_id: ada.chatId, text: "packed" })],
    [`${bot}/sendMessage`, packed("br", { chat_id: ada.chatId, text: "packed" })],
    [`${bot}/sendPhoto`, { method: "POST", body: photoForm(ada.chatId) }],
    [`${bot}/getFile`, json({ file_id: "AgACAgIAAxkBAAIB00000000QADNgQ90" })],
    [`/file${bot}/photos/file_0.jpg`],
    [`/file${bot}/photos/none.jpg`],
  ];
  for (const [path, init] of calls) await call(path, init);
  server.fault({ answer: { page: 502 } });
  server.fault({ answer: { redirect: 302, location: "https://hotel.example/" } });
  server.fault({
    answer: { body: "<html>", status: 200, contentType: "text/html", headers: { "X-Proxy": "a" } },
  });
  server.fault({ answer: { result: { some: "thing" } } });
  server.fault({
    answer: { error_code: 400, description: "Bad Request: new", parameters: { retry_after: 3 } },
  });
  server.fault({ answer: "reset" });
  server.fault({ answer: "cut" });
  server.flood(9);
  for (let time = 0; time < 8; time++) await text(`text ${time}`);
  answers.push(ada.inbox, server.calls);
  return answers;
}

function packed(encoding: string, payload: object): RequestInit {
  const headers = { "content-type": "application/json", "content-encoding": encoding };
  return { method: "POST", headers, body: gzipSync(JSON.stringify(payload)) as unknown as string };
}

function photoForm(chatId: number): FormData {
  const form = new FormData();
  form.set("chat_id", String(chatId));
  form.set("photo", new Blob([new Uint8Array([1, 2, 3])]), "chart.png");
  return form;
}

test("the server on loopback answers every call as the simulated one", async () => {
  const telegram = new SimulatedTelegram({ clock: manualClock() });
  const { token, apiRoot } = telegram.server;
  const simulated = fetchOf(telegram);
  const expected = await playCalls(
    telegram.server,
    async (path, init) => await described(await simulated(apiRoot + path, init)),
  );
  const server = await startBotApiServer({ token, clock: manualClock() });
  try {
    const answers = await playCalls(
      server,
      async (path, init) =>
        await described(await fetch(server.apiRoot + path, { ...init, redirect: "manual" })),
    );
    assert.equal(answers, expected);
    assert.is(expected.filter((answer) => answer === "no answer").length, 2);
  } finally {
    await server.close();
  }
});

test("two simulated Telegrams answer the same", async () => {
  const play = async (): Promise<string> => {
    const telegram = new SimulatedTelegram({ clock: manualClock() });
    const send = fetchOf(telegram);
    const root = telegram.server.apiRoot;
    return JSON.stringify(
      await playCalls(telegram.server, async (path, init) => await described(await send(root + path, init))),
    );
  };
  assert.is(await play(), await play());
});

test.run();
