/** What is to be kept of an update, until the storage has it, and what it then did. */
import { type ChatEvent, type ChatState, isMessage, iso, transition } from "./chat.ts";
import type { Applied } from "./storage/chat_storage.ts";

/** A fact about a chat, or a group's move to its supergroup. Plain data: it may wait on disk. */
export type Entry = EventEntry | MigrationEntry;

export interface EventEntry {
  readonly kind: "event";
  readonly chatId: number;
  readonly event: ChatEvent;
}

export interface MigrationEntry {
  readonly kind: "migration";
  readonly from: number;
  readonly to: number;
  /** When it was heard, in milliseconds since 1970. */
  readonly at: number;
}

/** Where entries are kept. */
export interface Storing {
  apply(chatId: number, events: readonly ChatEvent[]): Promise<Applied>;
  migrate(from: number, to: number, at: number): Promise<void>;
}

/** What an entry did to its chat. */
export interface Step extends Applied {
  /** Whether the chat held the event before: whoever kept it has answered it, too. */
  readonly isRepeated: boolean;
}

/** An event on its way; `wasTried` says that a write of it has failed, and may have been kept all the same. */
export interface Tried {
  readonly event: ChatEvent;
  readonly wasTried: boolean;
}

/** Keeps one entry by itself; `wasTried` says that it may have been kept before, without a word. */
export async function writeOne(storing: Storing, entry: Entry, wasTried: boolean = false): Promise<Step> {
  if (entry.kind === "migration") {
    await storing.migrate(entry.from, entry.to, entry.at);
    return { before: undefined, after: undefined, isRepeated: false };
  }
  const { chatId, event } = entry;
  const [step] = stepsOf(await storing.apply(chatId, [event]), [{ event, wasTried }]);
  return step as Step;
}

/** What each of the events did, of which one write has kept all. */
export function stepsOf({ before, after, confirmAfterMs }: Applied, events: readonly Tried[]): Step[] {
  const wait = confirmAfterMs === undefined ? {} : { confirmAfterMs };
  let state = before;
  let presumed = after && presumedBefore(after, events);
  return events.map(({ event, wasTried }) => {
    const step = { ...stepOf(state, event), ...wait };
    state = step.after;
    if (!step.isRepeated || !wasTried) return step;
    const first = { before: presumed, after, isRepeated: false, ...wait };
    presumed = transition(presumed, event);
    return first;
  });
}

/** An event with an id that changes nothing of a known chat is one that the chat holds. */
function stepOf(before: ChatState | undefined, event: ChatEvent): Step {
  const after = transition(before, event);
  const isRepeated = before !== undefined && after === before && "updateId" in event;
  return { before, after, isRepeated };
}

/** What an earlier try was kept upon, whose answer was lost: what it did is news all the same. */
function presumedBefore(after: ChatState, events: readonly Tried[]): ChatState | undefined {
  const tried = events.filter(({ wasTried }) => wasTried).map(({ event }) => event);
  const isOwn = (time: string | null | undefined, event: ChatEvent): boolean => time === iso(event.at);
  const messages = tried.filter(isMessage).length;
  if (tried.some((event) => isOwn(after.added_at, event)) && after.message_count <= messages) {
    return undefined;
  }
  const isEnded = tried.some((event) => event.kind === "stop" && isOwn(after.removed_at, event));
  return {
    ...after,
    is_active: isEnded || after.is_active,
    last_update_id: undefined,
    last_word_update_id: undefined,
    last_member_update_id: undefined,
  };
}
