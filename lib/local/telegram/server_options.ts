/** What a server, its people and its chats are to begin with. */
import type { Clock } from "../../util/clock.ts";
import { assertNames, type Names, namesOf } from "../../util/validate.ts";
import { oneOf, wrongValue } from "../wrong_value.ts";
import type { LocalUser } from "./people.ts";

/** What kind of server it is. */
export interface BotApiServerOptions {
  /** TCP port on 127.0.0.1. @default 0, a free one */
  readonly port?: number;
  /** The only token that is taken, in Telegram's form: `"123:abc"`. Default: a new one each time, which nobody else knows. */
  readonly token?: string;
  /** The bot's name without `@`. @default "local_test_bot" */
  readonly username?: string;
  /** How many messages the bot may send each second before it gets a 429. Default: no limit. */
  readonly messagesPerSecond?: number;
  /** How many messages one chat takes each second before it is refused with a 429 of its own. Default: no limit. */
  readonly chatMessagesPerSecond?: number;
  /** How many of these one chat takes at once after a rest. @default 3 */
  readonly chatBurst?: number;
  /** How many messages a group takes in any minute before it is refused with a 429 of its own. Default: no limit. */
  readonly groupMessagesPerMinute?: number;
  /**
   * For how many seconds in all the server itself holds and repeats a call that a limit, a slow mode or a flood refuses,
   * before it answers with 429. Telegram's own server holds a call for up to 8 seconds. @default 0, it answers at once
   */
  readonly maxHoldSeconds?: number;
  /** How long each call takes on its way. @default 0 */
  readonly latencyMs?: number;
  /** Updates are numbered from here on. @default 100000001 */
  readonly firstUpdateId?: number;
  /** Dates messages, times limits, floods, long polls and delays, repeats deliveries. @default systemClock */
  readonly clock?: Clock;
}

/** Who a person is; whatever is left out is made up or absent. */
export interface LocalUserOptions {
  /** Default: a new one. */
  readonly id?: number;
  /** How the person is greeted. @default "Test" */
  readonly first_name?: string;
  /** Default: none. */
  readonly last_name?: string;
  /** Without the @. Default: none. */
  readonly username?: string;
  /** An IETF tag. @default "en" */
  readonly language_code?: string;
  /** Whether the person has written to the bot before. @default false */
  readonly opened?: boolean;
}

/** What a group is to begin with. */
export interface LocalGroupOptions {
  /** Its name. */
  readonly title: string;
  /** A basic group, which may migrate, or a supergroup. @default "group" */
  readonly kind?: "group" | "supergroup";
  /** Negative. Default: a new one of the kind's range. */
  readonly id?: number;
  /** Ordinary members. Default: none. */
  readonly members?: readonly LocalUser[];
  /** The first one owns the group. */
  readonly administrators?: readonly LocalUser[];
  /** What the bot is in it to begin with. @default "member" */
  readonly bot?: "administrator" | "left" | "member";
}

/** What a forum, a supergroup with topics, is to begin with. */
export type LocalForumOptions = Omit<LocalGroupOptions, "kind">;

/** What a channel is to begin with. */
export interface LocalChannelOptions {
  /** Its name. */
  readonly title: string;
  /** Negative. Default: a new one. */
  readonly id?: number;
  /** Makes it public. Without the @. Default: none. */
  readonly username?: string;
  /** The first one owns the channel. Default: none. */
  readonly administrators?: readonly LocalUser[];
  /** What the bot is in it. @default "administrator" */
  readonly bot?: "administrator" | "left";
}

const serverNames: Names = {
  known: namesOf<BotApiServerOptions>({
    ...{ port: true, token: true, username: true, messagesPerSecond: true, chatMessagesPerSecond: true },
    ...{ chatBurst: true, groupMessagesPerMinute: true, maxHoldSeconds: true, latencyMs: true },
    ...{ firstUpdateId: true, clock: true },
  }),
};

export const userNames: Names = {
  known: namesOf<LocalUserOptions>({
    ...{ id: true, first_name: true, last_name: true, username: true, language_code: true, opened: true },
  }),
};

const forumNames: Names = {
  known: namesOf<LocalForumOptions>({
    title: true,
    id: true,
    members: true,
    administrators: true,
    bot: true,
  }),
};

const groupNames: Names = {
  known: [...forumNames.known, ...namesOf<Pick<LocalGroupOptions, "kind">>({ kind: true })],
};

const channelNames: Names = {
  known: namesOf<LocalChannelOptions>({
    title: true,
    id: true,
    username: true,
    administrators: true,
    bot: true,
  }),
};

/** @throws {TypeError} If an option is unknown, or the token, which is not shown, has not Telegram's form. */
export function assertServerOptions(options: BotApiServerOptions): void {
  assertNames("start the server", options, serverNames);
  const { token } = options;
  if (token === undefined || (typeof token === "string" && /^\d+:[A-Za-z0-9_-]+$/.test(token))) return;
  throw new TypeError(
    'Cannot start the server as "token" must be digits, a colon, then letters, digits, - and _, such as "123:abc": ' +
      "its value is not shown",
  );
}

type Kind = "group" | "forum" | "channel";

const roles = ["administrator", "left", "member"];
const kinds: Readonly<Record<Kind, { names: Names; roles: readonly string[] }>> = {
  group: { names: groupNames, roles },
  forum: { names: forumNames, roles },
  channel: { names: channelNames, roles: ["administrator", "left"] },
};
const groupKinds = ["group", "supergroup"];

/** @throws {TypeError} If an option is unknown, or its value none. */
export function assertGroup(kind: Kind, options: LocalGroupOptions | LocalChannelOptions): void {
  const action = `add the ${kind}`;
  const { names, roles } = kinds[kind];
  assertNames(action, options, names);
  const given = Object(options) as Readonly<Record<string, unknown>>;
  if (typeof given["title"] !== "string") {
    throw new TypeError(wrongValue(action, "title", "a text, its name", given["title"]));
  }
  for (const [name, values] of Object.entries({ kind: groupKinds, bot: roles })) {
    const value = given[name];
    if (value === undefined || values.includes(value as string)) continue;
    throw new TypeError(wrongValue(action, name, oneOf(values), value, values));
  }
  for (const name of ["administrators", "members"]) assertPeople(action, name, given[name] ?? []);
}

function assertPeople(action: string, name: string, people: unknown): void {
  if (!Array.isArray(people)) throw new TypeError(wrongValue(action, name, "a list of people", people));
  for (const [index, person] of people.entries()) {
    const { user } = Object(person) as Partial<LocalUser>;
    if (user?.id !== undefined) continue;
    const rule = "a person, as server.user() gives them";
    throw new TypeError(wrongValue(action, `${name}[${index}]`, rule, person));
  }
}
