/**
 * Who may use the bot: everyone, or those whom its owner allows by `allowedUsers` and `authorize`. Checked for each update,
 * and for each chat of a broadcast.
 */
import type { Chat as TelegramChat, Update, User, UserFromGetMe } from "grammy/types";
import { type Api, Context } from "grammy/web";
import { deadline, DeadlineError, Lazy } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import type { Chat } from "./events.ts";
import { chatKeyOf } from "./update.ts";

/**
 * Decides whether the sender of an update may use the bot; and, right before a broadcast's message, whether a registered chat
 * still may. Then the context has no update: `chat` is the chat, and `from` its person or, for a group or channel, the person
 * who added the bot, each as far as the chat's item says.
 */
export type Authorize = (ctx: Context) => boolean | Promise<boolean>;

export interface AccessControlOptions {
  /** Ids of the chats that may use the bot: a person's own, or a group's or channel's. Default: all. */
  readonly allowedUsers?: readonly number[] | undefined;
  /** Called for those whom `allowedUsers` allows. Default: all may. */
  readonly authorize?: Authorize | undefined;
  readonly api: Api;
  readonly botInfo: UserFromGetMe;
  /** Called when `authorize` fails for an update, which is then not allowed. */
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly clock: Clock;
}

/** A registered chat, before a broadcast is sent to it. */
export interface KnownChat {
  readonly chatId: number;
  /** The person who has added the bot to the group or channel. */
  readonly adderId: number | undefined;
  /** The chat's item, if it could be read. */
  readonly chat: Chat | undefined;
}

/** Whether broadcasts may go to a chat. */
export interface BroadcastAccess {
  /** Whether `allowedUsers` allows the chat itself, or the person who has added the bot to the group or channel. */
  mayReceive(chatId: number, adderId: number | undefined): boolean;
  /** Calls `authorize`; rejects if that fails or takes too long. `undefined` if there is none. */
  readonly authorizes: ((chat: KnownChat) => Promise<boolean>) | undefined;
}

export interface AccessControl {
  /** Whether the sender of an update may use the bot. `undefined` if everyone may. */
  readonly isAllowed: ((update: Update) => Promise<boolean>) | undefined;
  /** `undefined` if everyone may use the bot. */
  readonly broadcastAccess: BroadcastAccess | undefined;
  /** Whether `allowedUsers` contains the chat. */
  isListed(chatId: number): boolean;
  /** Allows the supergroup that an allowed group has become. */
  onMigration(from: number, to: number): void;
}

const authorizeWithinMs = 5000;

export function createAccessControl(options: AccessControlOptions): AccessControl {
  const { authorize, api, botInfo, onFailure, clock } = options;
  const allowed = options.allowedUsers && new Set(options.allowedUsers);
  const authorizes = authorize && boundAuthorize(authorize, clock);
  const isListed = (id: number | undefined): boolean => id !== undefined && allowed?.has(id) === true;
  const isForEveryone = allowed === undefined && authorizes === undefined;

  const isAuthorized = async (update: Update): Promise<boolean> => {
    if (authorizes === undefined) return true;
    try {
      return await authorizes(new Context(update, api, botInfo));
    } catch (error) {
      onFailure(update.update_id, error);
      return false;
    }
  };

  return {
    isAllowed: isForEveryone
      ? undefined
      : async (update) => allowed?.has(chatKeyOf(update)) !== false && await isAuthorized(update),
    broadcastAccess: isForEveryone ? undefined : {
      mayReceive: (chatId, adderId) =>
        allowed === undefined || isListed(chatId) || (chatId < 0 && isListed(adderId)),
      authorizes: authorizes && ((chat) => authorizes(new ChatContext(chat, api, botInfo))),
    },
    isListed,
    onMigration(from, to) {
      if (allowed?.has(from)) allowed.add(to);
    },
  };
}

/** Rejects if `authorize` takes too long. */
function boundAuthorize(authorize: Authorize, clock: Clock): (ctx: Context) => Promise<boolean> {
  return async (ctx) => {
    const answer = (async () => await authorize(ctx) === true)();
    try {
      return await deadline(answer, { ms: authorizeWithinMs, clock });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      throw new Error(`authorize takes longer than ${authorizeWithinMs / 1000} s`, { cause: error });
    }
  };
}

/** The context of a registered chat without an update: only `chat`, `chatId`, `from`, `api` and `me` are defined. */
class ChatContext extends Context {
  readonly #chat: TelegramChat;
  readonly #from: User | undefined;

  constructor(known: KnownChat, api: Api, me: UserFromGetMe) {
    super({ update_id: 0 }, api, me);
    this.#chat = telegramChatOf(known);
    this.#from = userOf(known);
  }

  override get chat(): TelegramChat {
    return this.#chat;
  }

  override get from(): User | undefined {
    return this.#from;
  }
}

/** Below this, an id is a supergroup's or a channel's. */
const lowestGroupId = -999_999_999_999;

function telegramChatOf({ chatId, chat }: KnownChat): TelegramChat {
  const { username, first_name = "", last_name, title = "", type } = chat?.user_info ?? {};
  if (chatId > 0) return defined({ id: chatId, type: "private", first_name, last_name, username });
  if (chatId >= lowestGroupId) return { id: chatId, type: "group", title };
  return defined({ id: chatId, type: type === "channel" ? type : "supergroup", title, username });
}

function userOf({ chatId, adderId, chat }: KnownChat): User | undefined {
  const { username, first_name = "", last_name, user_id } = chat?.user_info ?? {};
  if (chatId > 0) return defined({ id: user_id ?? chatId, is_bot: false, first_name, last_name, username });
  return adderId === undefined ? undefined : { id: adderId, is_bot: false, first_name: "" };
}

/** A copy without undefined fields. */
function defined<T extends object>(value: { readonly [Key in keyof T]: T[Key] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}

// Allowed groups that have become supergroups stay allowed.

export interface MigrationReaderOptions {
  readonly allowedUsers: readonly number[] | undefined;
  readonly getChat: (chatId: number) => Promise<Chat | undefined>;
  /** Called with each move, and with each move of a supergroup that has moved again. */
  readonly moved: (from: number, to: number) => void;
}

/** A group moves once; more than a few moves in a row are a circle. */
const movesAtMost = 4;

/** Creates a function that reads the moves of allowed groups from their items: once, and again if that has failed. */
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
