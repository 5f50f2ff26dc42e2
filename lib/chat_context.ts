/** A registered chat as the context that `authorize` is asked with when a broadcast is sent: one without an update. */
import type { Chat as TelegramChat, User, UserFromGetMe } from "grammy/types";
import { type Api, Context } from "grammy/web";
import type { Chat } from "./chat.ts";

/** What is known of a chat that a broadcast is about to be sent to. */
export interface KnownChat {
  readonly chatId: number;
  /** Who has brought the group or channel in. */
  readonly adderId: number | undefined;
  /** The chat's item, where it could be read. */
  readonly chat: Chat | undefined;
}

/** Its `chat`, `chatId`, `from`, `api` and `me` are there; all else that an update would hold is absent. */
class ChatContext extends Context {
  readonly #chat: TelegramChat;
  readonly #from: User | undefined;

  constructor(known: KnownChat, api: Api, me: UserFromGetMe) {
    super({ update_id: 0 }, api, me);
    this.#chat = telegramChatOf(known);
    this.#from = personOf(known);
  }

  override get chat(): TelegramChat {
    return this.#chat;
  }

  override get from(): User | undefined {
    return this.#from;
  }
}

export function contextOf(known: KnownChat, api: Api, me: UserFromGetMe): Context {
  return new ChatContext(known, api, me);
}

/** Below this, an id is a supergroup's or a channel's. */
const lowestGroupId = -999_999_999_999;

function telegramChatOf({ chatId, chat }: KnownChat): TelegramChat {
  const { username, first_name = "", last_name, title = "", type } = chat?.user_info ?? {};
  if (chatId > 0) return known({ id: chatId, type: "private", first_name, last_name, username });
  if (chatId >= lowestGroupId) return { id: chatId, type: "group", title };
  return known({ id: chatId, type: type === "channel" ? type : "supergroup", title, username });
}

function personOf({ chatId, adderId, chat }: KnownChat): User | undefined {
  const { username, first_name = "", last_name, user_id } = chat?.user_info ?? {};
  if (chatId > 0) return known({ id: user_id ?? chatId, is_bot: false, first_name, last_name, username });
  return adderId === undefined ? undefined : { id: adderId, is_bot: false, first_name: "" };
}

/** The same without what is undefined. */
function known<T extends object>(value: { readonly [Key in keyof T]: T[Key] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}
