/** Photos and files: uploads, file ids, downloads and albums. */
import type { Message } from "grammy/types";
import { Bot, InputFile } from "grammy/web";
import type { BotApiServer } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import { call, refused, result, updates, type Wire, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/files");

test("sendPhoto() takes an upload once and its file_id after", () =>
  withServer(async (server) => {
    const [ada, bob] = [server.user(), server.user()];
    for (const user of [ada, bob]) user.say("/start");
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
    const sent = await bot.api.sendPhoto(ada.chatId, new InputFile(bytes, "chart.png"), {
      caption: "12",
      caption_entities: [{ type: "bold", offset: 0, length: 2 }],
    });
    assert.is(server.uploads, 1);
    assert.is(sent.caption, "12");
    assert.equal(sent.caption_entities, [{ type: "bold", offset: 0, length: 2 }]);
    const fileId = sent.photo.at(-1)?.file_id ?? "";
    assert.equal(server.file(fileId), bytes);
    const again = await bot.api.sendPhoto(bob.chatId, fileId);
    assert.equal(again.photo, sent.photo);
    assert.is(server.uploads, 1);
    assert.is((await bot.api.sendPhoto(bob.chatId, "https://example.com/a.png")).photo.length, 3);
    const base = { chat_id: bob.chatId };
    await refused(
      server,
      "sendPhoto",
      { ...base, photo: "AgACAgIAAxkB" },
      "400 Bad Request: wrong file identifier/HTTP URL specified",
    );
    await refused(server, "sendPhoto", base, "400 Bad Request: there is no photo in the request");
    await refused(
      server,
      "sendPhoto",
      { ...base, photo: fileId, caption: "x".repeat(1025) },
      "400 Bad Request: message caption is too long",
    );
    assert.is(bob.inbox.length, 2);
  }));

test("a photo part may carry the parameter's own name", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.say("/start");
    const body = new FormData();
    body.set("chat_id", String(ada.chatId));
    body.set("photo", new Blob([new Uint8Array([1, 2, 3])]), "a.png");
    const response = await fetch(`${server.apiRoot}/bot${server.token}/sendPhoto`, { method: "POST", body });
    assert.is(response.status, 200);
    assert.equal(server.file(ada.inbox[0]?.photo?.[0]?.file_id ?? ""), new Uint8Array([1, 2, 3]));
  }));

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** What getFile and the download of the path that it names give. */
async function download(server: BotApiServer, file_id: string): Promise<{ path: string; text: string }> {
  const { file_path, ...file } = await result(server, "getFile", { file_id });
  assert.is(file.file_id, file_id);
  const response = await fetch(`${server.apiRoot}/file/bot${server.token}/${file_path}`);
  assert.is(response.status, 200);
  const text = await response.text();
  assert.is(text.length, file.file_size);
  return { path: file_path, text };
}

const kinds = [
  ["sendAnimation", "animation", /^animations\/file_\d+\.mp4$/],
  ["sendAudio", "audio", /^music\/file_\d+\.mp4$/],
  ["sendDocument", "document", /^documents\/file_\d+\.mp4$/],
  ["sendSticker", "sticker", /^stickers\/file_\d+\.mp4$/],
  ["sendVideo", "video", /^videos\/file_\d+\.mp4$/],
  ["sendVideoNote", "video_note", /^video_notes\/file_\d+\.mp4$/],
  ["sendVoice", "voice", /^voice\/file_\d+\.mp4$/],
] as const;

for (const [method, kind, path] of kinds) {
  test(`${method}() takes an upload once and its file_id after, which is of this kind alone`, () =>
    withServer(async (server) => {
      const chat_id = server.user({ opened: true }).chatId;
      const form = new FormData();
      form.set("chat_id", String(chat_id));
      form.set("caption", "Words");
      form.set(kind, new Blob([bytesOf("content")], { type: "video/mp4" }), "clip.mp4");
      const url = `${server.apiRoot}/bot${server.token}/${method}`;
      const first: Wire = await (await fetch(url, { method: "POST", body: form })).json();
      const media = first.result[kind];
      assert.is(media.file_size, 7);
      assert.is(first.result.caption, kind === "sticker" || kind === "video_note" ? undefined : "Words");
      const again = await result(server, method, { chat_id, [kind]: media.file_id });
      assert.equal(again[kind], media);
      assert.equal([server.uploads, new TextDecoder().decode(server.file(media.file_id))], [1, "content"]);
      const loaded = await download(server, media.file_id);
      assert.is(loaded.text, "content");
      assert.match(loaded.path, path);
      const title = kind === "video_note" ? "VideoNote" : `${kind[0]?.toUpperCase()}${kind.slice(1)}`;
      const asPhoto = { chat_id, photo: media.file_id };
      await refused(
        server,
        "sendPhoto",
        asPhoto,
        `400 Bad Request: can't use file of type ${title} as Photo`,
      );
      const none = `400 Bad Request: there is no ${kind.replace("_", " ")} in the request`;
      await refused(server, method, { chat_id }, none);
      const unknown = { chat_id, [kind]: "nonsense" };
      await refused(server, method, unknown, "400 Bad Request: wrong file identifier/HTTP URL specified");
      const web = await result(server, method, { chat_id, [kind]: "https://example.org/a/b.mp4" });
      assert.ok(web[kind].file_id);
    }));
}

test("sendDocument() keeps name and type of an upload, and refuses an empty one", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
    const { document } = await bot.api.sendDocument(ada.chatId, new InputFile(bytesOf("a,b"), "list.csv"));
    assert.is(document.file_name, "list.csv");
    assert.match((await download(server, document.file_id)).path, /\.csv$/);
    let error: unknown;
    await bot.api.sendDocument(ada.chatId, new InputFile(new Uint8Array(), "list.csv")).catch((reason) => {
      error = reason;
    });
    assert.match(String(error), "400: Bad Request: file must be non-empty");
  }));

test("what people send can be downloaded, what nobody gave the bytes of consists of zeros", () =>
  withServer(async (server) => {
    const ada = server.user();
    ada.document("notes.txt", bytesOf("My notes"), "Look");
    ada.photo("A picture", bytesOf("pixels"));
    ada.sticker();
    ada.document("large.bin");
    const [notes, picture, sticker, large] = (await updates(server)).map(({ message }) => message as Message);
    assert.equal([notes?.document?.file_name, notes?.caption], ["notes.txt", "Look"]);
    assert.is((await download(server, notes?.document?.file_id ?? "")).text, "My notes");
    assert.is((await download(server, picture?.photo?.at(-1)?.file_id ?? "")).text, "pixels");
    assert.match((await download(server, sticker?.sticker?.file_id ?? "")).text, /^\0+$/);
    assert.match((await download(server, large?.document?.file_id ?? "")).text, /^\0+$/);
  }));

test("downloads need the token and a path that there is, and may be befallen by faults", () =>
  withServer(async (server) => {
    const { document } = server.user().document("a.txt", bytesOf("a"));
    await refused(server, "getFile", { file_id: "nonsense" }, "400 Bad Request: invalid file_id");
    await refused(server, "getFile", {}, "400 Bad Request: file_id not specified");
    const { file_path } = await result(server, "getFile", { file_id: document?.file_id });
    const at = (token: string, path: string): Promise<Response> =>
      fetch(`${server.apiRoot}/file/bot${token}/${path}`);
    const statuses = [await at("1:AA", file_path), await at(server.token, "documents/none.txt")];
    assert.equal(statuses.map(({ status }) => status), [401, 404]);
    server.fault({ method: "file", answer: { page: 502 } });
    assert.is((await at(server.token, file_path)).status, 502);
    assert.is(await (await at(server.token, file_path)).text(), "a");
    assert.is(server.countCalls("file"), 3);
    assert.equal(server.calls.at(-1)?.payload, { file_path });
  }));

test("sendMediaGroup() sends photos and files together, each with its caption", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const photo = ada.photo().photo?.at(-1)?.file_id;
    const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
    const messages = await bot.api.sendMediaGroup(ada.chatId, [
      { type: "photo", media: photo ?? "", caption: "<b>One</b>", parse_mode: "HTML" },
      { type: "photo", media: new InputFile(bytesOf("two"), "two.jpg") },
      { type: "video", media: "https://example.org/three.mp4", caption: "Three" },
    ]);
    assert.equal(messages.map(({ caption }) => caption), ["One", undefined, "Three"]);
    assert.equal(messages[0]?.caption_entities?.[0]?.type, "bold");
    const groups = new Set(messages.map((message) => (message as Message).media_group_id));
    assert.equal([groups.size, ada.inbox.length, server.uploads], [1, 3, 1]);
    assert.match([...groups][0] ?? "", /^\d+$/);
  }));

test("sendMediaGroup() refuses what makes no album, and then sends nothing", () =>
  withServer(async (server) => {
    const ada = server.user({ opened: true });
    const { chatId: chat_id } = ada;
    const photo = { type: "photo", media: "https://example.org/a.jpg" };
    const document = { type: "document", media: "https://example.org/a.pdf" };
    const wanted: [unknown, string][] = [
      [undefined, "expected an Array of InputMedia"],
      [[], "there are no messages to send"],
      [Array(11).fill(photo), "too many messages to send as an album"],
      [[photo, document], "document can't be mixed with other media types"],
      [
        [photo, { type: "animation" }],
        `can't parse InputMedia: type "animation" can't be used in sendMediaGroup`,
      ],
      [[photo, { type: "photo", media: "attach://none" }], "can't parse InputMedia: media not found"],
      [[photo, { type: "photo", media: "nonsense" }], "wrong file identifier/HTTP URL specified"],
      [[photo, { ...photo, caption: "x".repeat(1025) }], "message caption is too long"],
    ];
    for (const [media, words] of wanted) {
      await refused(server, "sendMediaGroup", { chat_id, media }, `400 Bad Request: ${words}`);
    }
    assert.is(ada.inbox.length, 0);
  }));

test("an album counts as all its messages for a group's limit", () =>
  withServer(async (server) => {
    const group = server.group({ title: "Group" });
    const media = Array(3).fill({ type: "photo", media: "https://example.org/a.jpg" });
    await result(server, "sendMediaGroup", { chat_id: group.chatId, media });
    const { status } = await call(server, "sendMessage", { chat_id: group.chatId, text: "One more" });
    assert.is(status, 429);
  }, { groupMessagesPerMinute: 3 }));

test.run();
