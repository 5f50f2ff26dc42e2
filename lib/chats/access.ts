/** A registered chat as the context that `authorize` is asked with when a broadcast is sent: one without an update. */
import type { Chat as TelegramChat, Update, User, UserFromGetMe } from "grammy/types";
import { type Api, Context } from "grammy/web";
import { Lazy } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import type { Chat } from "./events.ts";
import { chatKeyOf } from "./update.ts";

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

export function createChatContext(known: KnownChat, api: Api, me: UserFromGetMe): Context {
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

// Who may use the bot: everyone, or those whom its owner allows. Asked of updates, and when a broadcast is sent.

/**
 * Says whether whoever sent an update may use the bot; and, right before a broadcast's message, whether a registered chat
 * still may. Then the context has no update: `chat` is the chat and `from` its person or, for a group or channel, who
 * brought it in, each as far as the chat's item says.
 */
export type Authorize = (ctx: Context) => boolean | Promise<boolean>;

export interface AccessControlOptions {
  /** Ids of the chats that may use the bot: a person's own, or a group's or channel's. Default: all. */
  readonly allowedUsers?: readonly number[] | undefined;
  /** Asked besides `allowedUsers`. Default: all may. */
  readonly authorize?: Authorize | undefined;
  readonly api: Api;
  readonly botInfo: UserFromGetMe;
  /** Is told of an `authorize` that fails for an update, which lets nobody in. */
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly clock: Clock;
}

/** Whether broadcasts may go to a chat. */
export interface BroadcastAccess {
  /** Whether the list allows the chat itself, or the person who has brought the group or channel in. */
  mayReceive(chatId: number, adderId: number | undefined): boolean;
  /** Asks the owner's function; rejects where that fails, or takes too long. `undefined` where there is none. */
  readonly authorizes: ((chat: KnownChat) => Promise<boolean>) | undefined;
}

export interface AccessControl {
  /** Whether whoever sent the update may use the bot. */
  isAllowed(update: Update): Promise<boolean>;
  /** Absent where everyone may use the bot. */
  readonly broadcastAccess: BroadcastAccess | undefined;
  /** Whether the bot's owner allows the chat by its id. */
  isListed(chatId: number): boolean;
  /** A group that is allowed became a supergroup, which is the same group. */
  onMigration(from: number, to: number): void;
}

const authorizeWithinMs = 5000;

export function createAccessControl(options: AccessControlOptions): AccessControl {
  const { authorize, api, botInfo, onFailure, clock } = options;
  const allowed = options.allowedUsers && new Set(options.allowedUsers);
  const asking = authorize && createAsking(authorize, clock);
  const isListed = (id: number | undefined): boolean => id !== undefined && allowed?.has(id) === true;

  const isAuthorized = async (update: Update): Promise<boolean> => {
    if (asking === undefined) return true;
    try {
      return await asking(new Context(update, api, botInfo));
    } catch (error) {
      onFailure(update.update_id, error);
      return false;
    }
  };

  return {
    async isAllowed(update) {
      if (allowed?.has(chatKeyOf(update)) === false) return false;
      return await isAuthorized(update);
    },
    broadcastAccess: allowed === undefined && asking === undefined ? undefined : {
      mayReceive: (chatId, adderId) =>
        allowed === undefined || isListed(chatId) || (chatId < 0 && isListed(adderId)),
      authorizes: asking && ((chat) => asking(createChatContext(chat, api, botInfo))),
    },
    isListed,
    onMigration(from, to) {
      if (allowed?.has(from)) allowed.add(to);
    },
  };
}

/** Asks the owner's function, for a while. */
function createAsking(authorize: Authorize, clock: Clock): (ctx: Context) => Promise<boolean> {
  return async (ctx) => {
    const ended = new AbortController();
    try {
      const late = clock.sleep(authorizeWithinMs, ended.signal).then(() => {
        throw new Error(`authorize takes longer than ${authorizeWithinMs / 1000} s`);
      });
      const asked = (async () => await authorize(ctx) === true)();
      return await Promise.race([asked, late]);
    } finally {
      ended.abort();
    }
  };
}

// Groups that the bot's owner allows by their ids go on being allowed as the supergroups that they have become.

export interface MigrationReaderOptions {
  readonly allowedUsers: readonly number[] | undefined;
  readonly getChat: (chatId: number) => Promise<Chat | undefined>;
  /** Called with each move, also of a supergroup that has moved once more. */
  readonly moved: (from: number, to: number) => void;
}

/** A group moves once in its life; more than a few moves in a row are a circle. */
const movesAtMost = 4;

/**
 * Gives what reads the moves from the table, where the old group's item keeps them: it does so once, and again where that
 * has failed.
 */
export function createMigrationReader(
  { allowedUsers = [], getChat, moved }: MigrationReaderOptions,
): () => Promise<void> {
  const follow = async (group: number): Promise<void> => {
    let from = group;
    for (let moves = 0; moves < movesAtMost; moves++) {
      const to = (await getChat(from))?.migrated_to;
      if (to === undefined) return;
      moved(from, to);
      from = to;
    }
  };
  const reading = new Lazy(async () => {
    for (const chatId of allowedUsers) if (chatId < 0) await follow(chatId);
  });
  return () => reading.get();
}
