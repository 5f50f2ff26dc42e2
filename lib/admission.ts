/** Who may use the bot: everyone, or those whom its owner allows. */
import type { Update } from "grammy/types";
import { type Api, Context } from "grammy/web";
import type { UserFromGetMe } from "grammy/types";
import { BoundedSet } from "./bounded.ts";
import type { Clock } from "./clock.ts";
import { sequenceKey } from "./update.ts";

/** Says whether whoever sent an update may use the bot. */
export type Authorize = (ctx: Context) => boolean | Promise<boolean>;

export interface AdmissionOptions {
  /** Ids of the chats that may use the bot: a person's own, or a group's or channel's. Default: all. */
  readonly allowedUsers?: readonly number[] | undefined;
  /** Asked of every update, besides `allowedUsers`. Default: all may. */
  readonly authorize?: Authorize | undefined;
  readonly api: Api;
  readonly botInfo: UserFromGetMe;
  /** Is told of an `authorize` that fails, which lets nobody in. */
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly clock: Clock;
}

export interface Admission {
  /** Whether whoever sent the update may use the bot. */
  admits(update: Update): Promise<boolean>;
  /** Whether broadcasts may go to the chat. */
  mayReceive(chatId: number): boolean;
  /** Whether the bot's owner allows the chat by its id. */
  isListed(chatId: number): boolean;
  /** A group that is allowed became a supergroup, which is the same group. */
  moved(from: number, to: number): void;
}

const answerWithinMs = 5000;
/** Chats whom `authorize` has refused last; past this many, the oldest are forgotten until they write again. */
const refusedAtMost = 100_000;

export function createAdmission(options: AdmissionOptions): Admission {
  const { authorize, api, botInfo, onFailure, clock } = options;
  const allowed = options.allowedUsers && new Set(options.allowedUsers);
  const refused = new BoundedSet<number>(refusedAtMost);

  const isAuthorized = async (update: Update): Promise<boolean> => {
    if (authorize === undefined) return true;
    const ended = new AbortController();
    try {
      const late = clock.sleep(answerWithinMs, ended.signal).then(() => {
        throw new Error(`authorize takes longer than ${answerWithinMs / 1000} s`);
      });
      const asked = (async () => await authorize(new Context(update, api, botInfo)) === true)();
      return await Promise.race([asked, late]);
    } catch (error) {
      onFailure(update.update_id, error);
      return false;
    } finally {
      ended.abort();
    }
  };

  return {
    async admits(update) {
      if (allowed === undefined && authorize === undefined) return true;
      const chatId = sequenceKey(update);
      if (allowed?.has(chatId) === false) return false;
      const may = await isAuthorized(update);
      // In a group one member's word says nothing about the group.
      if (may) refused.delete(chatId);
      else if (chatId > 0) refused.add(chatId);
      return may;
    },
    mayReceive: (chatId) => allowed?.has(chatId) !== false && !refused.has(chatId),
    isListed: (chatId) => allowed?.has(chatId) === true,
    moved(from, to) {
      if (allowed?.has(from)) allowed.add(to);
    },
  };
}
