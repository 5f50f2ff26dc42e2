/**
 * Opens the list of recipients. A signal takes it as it is in memory, and has it read while it is sent already; a broadcast
 * that promises to write to nobody where the list cannot be read has it read first.
 */
import { setMaxListeners } from "node:events";
import { ConsentCheck } from "../chats/consent_check.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import { StorageError } from "../chats/storage.ts";
import { messageOf } from "../util/errors.ts";
import { RecipientFilter } from "./recipient_filter.ts";
import type {
  BroadcastDeps,
  BroadcastRequest,
  OpenRecipients,
  RecipientsFollower,
  RunContext,
} from "./request.ts";
import { ascendingStart, type OrderStart, startAmong } from "./send_order.ts";

/** How long a signal waits for the table before the list in memory is used. */
const patienceMs = 600;

/** @throws {StorageError} If the list cannot be read, and has to be. */
export async function openRecipients(
  request: BroadcastRequest,
  deps: BroadcastDeps,
): Promise<OpenRecipients> {
  const { registry, clock, logger } = deps;
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  const filter = createFilter(request, deps);
  const backlog = createBacklog(() => currentIds(registry, filter));
  let fromMemory: OpenRecipients["fromMemory"];
  const check = new ConsentCheck({
    registry,
    clock,
    patienceMs: request.whenUnreadable === "throw" ? undefined : patienceMs,
    onMemory(error) {
      fromMemory ??= { asOf: registry.readAt };
      logger.warn(filter?.needsChats ? singleText(error) : memoryText(error, registry.readAt));
    },
    onRefreshed: backlog.onChange,
    onRefused: backlog.onFailure,
    signal: closing.signal,
  });
  const close = (): void => closing.abort(new Error("the broadcast has ended"));
  try {
    const ids = await (request.whenUnreadable === "throw"
      ? readFirst(request, deps, check, filter)
      : readMeanwhile(deps, check, filter, backlog));
    return {
      ...{ check, filter, ids, isRead: check.hasReadList, close, closed: closing.signal },
      follow: backlog.follow,
      get isUnread() {
        return registry.isUnread;
      },
      get refusal() {
        return registry.refusal;
      },
      get fromMemory() {
        return fromMemory ?? (registry.isUnread ? { asOf: undefined } : undefined);
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function readFirst(
  { options: { signal } }: BroadcastRequest,
  { registry }: BroadcastDeps,
  check: ConsentCheck,
  filter: RecipientFilter | undefined,
): Promise<Float64Array> {
  if (registry.isUnread) throw neverRead(registry);
  await check.refresh();
  signal?.throwIfAborted();
  return await filter?.readAll() ?? registry.snapshot();
}

async function readMeanwhile(
  { registry, logger }: BroadcastDeps,
  check: ConsentCheck,
  filter: RecipientFilter | undefined,
  { onChange, onFailure }: Backlog,
): Promise<Float64Array> {
  // A list that was never read is waited for in the usual order.
  if (filter?.needsOrder && !registry.isUnread) {
    try {
      await check.refresh();
      return await filter.readAll();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      logger.warn(
        `The chats cannot be read to put them in order, so they are written to in any order. ${error.message}`,
      );
    }
  }
  if (registry.isUnread) logger.warn(unreadText(registry));
  check.begin();
  if (filter?.needsChats) {
    filter.readAll().then(onChange, (error) => {
      // Where the list cannot be read as a whole, it is read chat by chat.
      if (!(error instanceof StorageError)) onFailure(error);
    });
  }
  return currentIds(registry, filter);
}

function createFilter(
  { options: { filter, perChat, order, signal } }: BroadcastRequest,
  { registry, clock }: BroadcastDeps,
): RecipientFilter | undefined {
  if (filter === undefined && perChat === undefined && typeof order !== "function") return undefined;
  return new RecipientFilter({ filter, perChat, order, signal, registry, clock });
}

function currentIds(registry: ChatRegistry, filter: RecipientFilter | undefined): Float64Array {
  return filter?.without(registry.snapshot()) ?? registry.snapshot();
}

/** What happens to the list, for a follower. */
interface Backlog {
  readonly onChange: () => void;
  readonly onFailure: (error: unknown) => void;
  readonly follow: (follower: RecipientsFollower) => void;
}

/** Keeps events until there is a follower: the list may be read before the run begins, as a ledger is asked first. */
function createBacklog(ids: () => Float64Array): Backlog {
  const untold: ((follower: RecipientsFollower) => void)[] = [];
  let current: RecipientsFollower | undefined;
  const tell = (event: (follower: RecipientsFollower) => void): void => {
    if (current === undefined) untold.push(event);
    else event(current);
  };
  return {
    onChange: () => tell(({ onChange }) => onChange(ids())),
    onFailure: (error) => tell(({ onFailure }) => onFailure(error)),
    follow(follower) {
      current = follower;
      for (const event of untold.splice(0)) event(follower);
    },
  };
}

/** Where the order begins: at random, or as the id decides, so that every call with the id agrees. */
export function startOf(
  { options: { order = "rotating" } }: BroadcastRequest,
  ids: Float64Array,
  random: () => number,
): OrderStart {
  return order === "ascending" ? ascendingStart : startAmong(ids, random(), random());
}

export function neverRead({ openingError: cause }: ChatRegistry): StorageError {
  const reason = cause instanceof StorageError ? cause.reason : "unreachable";
  const why = cause === undefined ? "Try again when DynamoDB is back." : messageOf(cause);
  return new StorageError(
    reason,
    `The list of chats has never been read, so nobody was written to. ${why}`,
    { cause },
  );
}

function unreadText({ openingError }: ChatRegistry): string {
  const why = openingError === undefined ? "" : ` ${messageOf(openingError)}`;
  return `The table of chats has not been read yet, so a signal waits for it until the signal expires (maxAgeMs).${why}`;
}

function singleText({ message }: Error): string {
  return `The table of chats cannot be read as a whole, so each chat is read by itself for filter and perChat. ${message}`;
}

function memoryText({ message }: Error, readAt: number | undefined): string {
  const asOf = readAt === undefined ? "" : ` as of ${new Date(readAt).toISOString()}`;
  return `The table of chats cannot be read, so a signal goes to the chats that are known to be active${asOf}. ${message}`;
}

/** Whether the supergroup was a recipient as the group that it was: where it may have moved since, it is read. */
export async function isOtherRecipient(chatId: number, { queue, deps }: RunContext): Promise<boolean> {
  if (!queue.mayHaveMoved(chatId)) return false;
  const chat = await deps.registry.getChat(chatId).catch(() => {});
  return chat?.migrated_from !== undefined && queue.wasTaken(chat.migrated_from);
}
