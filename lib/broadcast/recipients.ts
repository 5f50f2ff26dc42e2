/**
 * Opens the list of recipients. A signal takes it as it is in memory, and has it read while it is sent already; a broadcast
 * that promises to write to nobody where the list cannot be read has it read first.
 */
import { setMaxListeners } from "node:events";
import { ConsentCheck } from "../chats/consent_check.ts";
import { StorageError } from "../chats/storage_error.ts";
import { RecipientFilter } from "./recipient_filter.ts";
import type { BroadcastDeps, BroadcastRequest, OpenRecipients, RecipientsFollower } from "./request.ts";
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
  const { tell, follow } = createBacklog();
  let fromMemory: OpenRecipients["fromMemory"];
  const check = new ConsentCheck({
    registry,
    clock,
    patienceMs: request.whenUnreadable === "throw" ? undefined : patienceMs,
    onMemory(error) {
      fromMemory ??= { asOf: registry.readAt };
      logger.warn(filter?.needsChats ? singleText(error) : memoryText(error, registry.readAt));
    },
    onRefreshed: () => tell(({ onChange }) => onChange(currentIds())),
    onRefused: (error) => tell(({ onFailure }) => onFailure(error)),
    signal: closing.signal,
  });
  const currentIds = (): Float64Array => filter?.without(registry.snapshot()) ?? registry.snapshot();

  const readFirst = async (): Promise<Float64Array> => {
    const { signal } = request.options;
    if (registry.isUnread) throw neverRead();
    await check.refresh();
    signal?.throwIfAborted();
    return await filter?.readAll() ?? registry.snapshot();
  };

  const readMeanwhile = async (): Promise<Float64Array> => {
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
    check.begin();
    if (filter?.needsChats) {
      filter.readAll().then(() => tell(({ onChange }) => onChange(currentIds())), (error) => {
        // Where the list cannot be read as a whole, it is read chat by chat.
        if (!(error instanceof StorageError)) tell(({ onFailure }) => onFailure(error));
      });
    }
    return currentIds();
  };

  const close = (): void => closing.abort(new Error("the broadcast has ended"));
  try {
    const ids = await (request.whenUnreadable === "throw" ? readFirst() : readMeanwhile());
    return {
      ...{ check, filter, ids, follow, close },
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

function createFilter(
  { options: { filter, perChat, order, signal } }: BroadcastRequest,
  { registry, clock }: BroadcastDeps,
): RecipientFilter | undefined {
  if (filter === undefined && perChat === undefined && typeof order !== "function") return undefined;
  return new RecipientFilter({ filter, perChat, order, signal, registry, clock });
}

/** Keeps what happens until there is a follower: the list may be read before the run begins, as a ledger is asked first. */
function createBacklog(): {
  readonly tell: (event: (follower: RecipientsFollower) => void) => void;
  readonly follow: (follower: RecipientsFollower) => void;
} {
  const untold: ((follower: RecipientsFollower) => void)[] = [];
  let follower: RecipientsFollower | undefined;
  return {
    tell(event) {
      if (follower === undefined) untold.push(event);
      else event(follower);
    },
    follow(next) {
      follower = next;
      for (const event of untold.splice(0)) event(next);
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

export function neverRead(): StorageError {
  return new StorageError(
    "unreachable",
    "The list of chats has never been read, so nobody was written to. Try again when DynamoDB is back.",
  );
}

function singleText({ message }: Error): string {
  return `The table of chats cannot be read as a whole, so each chat is read by itself for filter and perChat. ${message}`;
}

function memoryText({ message }: Error, readAt: number | undefined): string {
  const asOf = readAt === undefined ? "" : ` as of ${new Date(readAt).toISOString()}`;
  return `The table of chats cannot be read, so a signal goes to the chats that are known to be active${asOf}. ${message}`;
}
