/** Who may use the bot: everyone, or those whom its owner allows. Asked of updates, and when a broadcast is sent. */
import type { Update } from "grammy/types";
import { type Api, Context } from "grammy/web";
import type { UserFromGetMe } from "grammy/types";
import { contextOf, type KnownChat } from "./chat_context.ts";
import type { Clock } from "./clock.ts";
import { sequenceKey } from "./update.ts";

/**
 * Says whether whoever sent an update may use the bot; and, right before a broadcast's message, whether a registered chat
 * still may. Then the context has no update: `chat` is the chat and `from` its person or, for a group or channel, who
 * brought it in, each as far as the chat's item says.
 */
export type Authorize = (ctx: Context) => boolean | Promise<boolean>;

export interface AdmissionOptions {
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
export interface Permission {
  /** Whether the list allows the chat itself, or the person who has brought the group or channel in. */
  mayReceive(chatId: number, adderId: number | undefined): boolean;
  /** Asks the owner's function; rejects where that fails, or takes too long. `undefined` where there is none. */
  readonly authorizes: ((chat: KnownChat) => Promise<boolean>) | undefined;
}

export interface Admission {
  /** Whether whoever sent the update may use the bot. */
  admits(update: Update): Promise<boolean>;
  /** Absent where everyone may use the bot. */
  readonly permission: Permission | undefined;
  /** Whether the bot's owner allows the chat by its id. */
  isListed(chatId: number): boolean;
  /** A group that is allowed became a supergroup, which is the same group. */
  moved(from: number, to: number): void;
}

const authorizeWithinMs = 5000;

export function createAdmission(options: AdmissionOptions): Admission {
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
    async admits(update) {
      if (allowed?.has(sequenceKey(update)) === false) return false;
      return await isAuthorized(update);
    },
    permission: allowed === undefined && asking === undefined ? undefined : {
      mayReceive: (chatId, adderId) =>
        allowed === undefined || isListed(chatId) || (chatId < 0 && isListed(adderId)),
      authorizes: asking && ((chat) => asking(contextOf(chat, api, botInfo))),
    },
    isListed,
    moved(from, to) {
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
