import type { Chat } from "../../lib/chats/events.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { assert, suite } from "../harness.ts";
import { storageContract } from "../contracts/chat_storage.ts";

/** Lets a test do something between a read and the write that builds on it. */
class Interleaved extends InMemoryChatStorage {
  other: (() => Promise<unknown>) | undefined;

  override async getChat(chatId: number): Promise<Chat | undefined> {
    const chat = await super.getChat(chatId);
    await this.#runOther();
    return chat;
  }

  override async *scan(): AsyncGenerator<Chat[]> {
    for await (const page of super.scan()) {
      await this.#runOther();
      yield page;
    }
  }

  async #runOther(): Promise<void> {
    const { other } = this;
    this.other = undefined;
    await other?.();
  }
}

storageContract(
  "InMemoryChatStorage",
  (options) => {
    const storage = new Interleaved(options);
    const interleave = (other: () => Promise<unknown>): void => void (storage.other = other);
    return Promise.resolve({ storage, interleave, requests: () => 0 });
  },
  () => Promise.resolve(),
);

const test = suite("InMemoryChatStorage");

test("kind says memory", () => assert.is(new InMemoryChatStorage().kind, "memory"));

test("two storages know nothing of each other", async () => {
  const [one, other] = [new InMemoryChatStorage(), new InMemoryChatStorage()];
  await one.saveChat(1);
  assert.is(await other.getChat(1), undefined);
});

test("what a caller does to a chat that it was given stays with the caller", async () => {
  const storage = new InMemoryChatStorage();
  await storage.saveChat(1, { username: "ada" });
  const chat = await storage.getChat(1) as unknown as { user_info: Record<string, unknown> };
  chat.user_info["username"] = "eve";
  assert.equal((await storage.getChat(1))?.user_info, { username: "ada" });
});

test("a batch whose fold throws leaves the chat as it was", async () => {
  const storage = new InMemoryChatStorage();
  await storage.saveChat(1);
  const before = await storage.getChat(1);
  const broken = { kind: "message", at: NaN, updateId: 2 } as const;
  let failed = false;
  try {
    await storage.apply(1, [{ kind: "message", at: 1, updateId: 1 }, broken]);
  } catch {
    failed = true;
  }
  assert.ok(failed);
  assert.equal(await storage.getChat(1), before);
});

test.run();
