/**
 * The list of recipients as a broadcast begins. A signal takes it as it is in memory and has it read while it is sent
 * already; what promises to write to nobody where the list cannot be read has it read first.
 */
import { setMaxListeners } from "node:events";
import type { Company, Plan } from "./conduct.ts";
import { ConsentCheck } from "./consent_check.ts";
import { Selection } from "./recipients.ts";
import { ascendingStart, type OrderStart, startAmong } from "./send_order.ts";
import { StorageError } from "./storage/storage_error.ts";

export interface OpenRecipients {
  readonly check: ConsentCheck;
  readonly selection: Selection;
  /** Those who are known now, ascending. */
  readonly ids: Float64Array;
  /** Whether the list has never been read. */
  readonly isUnread: boolean;
  /** Why it must not be, where it is another bot's. */
  readonly refusal: Error | undefined;
  /** Set where the list in memory was used without the table; `asOf` is when it was read, `undefined` if it never was. */
  readonly fromMemory: { readonly asOf: number | undefined } | undefined;
  /** Tells of what has happened since the list was opened, too. */
  follow(follower: Follower): void;
  /** Ends what reads. */
  close(): void;
}

export interface Follower {
  /** Called whenever the list has been read anew. */
  readonly onChange: (ids: Float64Array) => void;
  /** Called where a function of the caller's fails. */
  readonly onFailure: (error: unknown) => void;
}

/** How long a signal waits for the table before the list in memory is used. */
const patienceMs = 600;

/** @throws {StorageError} If the list cannot be read, and has to be. */
export async function openRecipients(plan: Plan, company: Company): Promise<OpenRecipients> {
  const { roster, clock, logger } = company;
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const { filter, perChat, order, signal } = plan.options;
  const selection = new Selection({ filter, perChat, order, signal, roster, clock });
  const idsNow = (): Float64Array => selection.without(roster.snapshot());
  const isPatient = plan.whenUnreadable === "throw";
  let fromMemory: OpenRecipients["fromMemory"];
  // The list may be read before the run begins, as a ledger is asked first.
  const untold: ((follower: Follower) => void)[] = [];
  let follower: Follower | undefined;
  const tell = (what: (follower: Follower) => void): void => {
    if (follower === undefined) untold.push(what);
    else what(follower);
  };
  const check = new ConsentCheck({
    roster,
    clock,
    patienceMs: isPatient ? undefined : patienceMs,
    onMemory(error) {
      fromMemory ??= { asOf: roster.readAt };
      logger.warn(selection.needsChats ? singleText(error) : memoryText(error, roster.readAt));
    },
    onRefreshed: () => tell(({ onChange }) => onChange(idsNow())),
    onRefused: (error) => tell(({ onFailure }) => onFailure(error)),
    signal: over.signal,
  });
  const opened = {
    check,
    selection,
    ids: new Float64Array(),
    get isUnread() {
      return roster.isUnread;
    },
    get refusal() {
      return roster.refusal;
    },
    get fromMemory() {
      return fromMemory ?? (roster.isUnread ? { asOf: undefined } : undefined);
    },
    follow(whoever: Follower): void {
      follower = whoever;
      for (const what of untold.splice(0)) what(whoever);
    },
    close: () => over.abort(new Error("the broadcast has ended")),
  };
  try {
    const ids = isPatient
      ? await readFirst(plan, company, check, selection)
      : await readMeanwhile(opened, { idsNow, tell }, company);
    return Object.assign(opened, { ids });
  } catch (error) {
    opened.close();
    throw error;
  }
}

async function readFirst(
  { options: { signal } }: Plan,
  { roster }: Company,
  check: ConsentCheck,
  selection: Selection,
): Promise<Float64Array> {
  if (roster.isUnread) throw neverRead();
  await check.refresh();
  signal?.throwIfAborted();
  return selection.needsChats || selection.needsOrder ? await selection.readAll() : roster.snapshot();
}

async function readMeanwhile(
  opened: OpenRecipients,
  { idsNow, tell }: {
    readonly idsNow: () => Float64Array;
    readonly tell: (what: (follower: Follower) => void) => void;
  },
  { logger, roster }: Company,
): Promise<Float64Array> {
  const { check, selection } = opened;
  // A list that was never read is waited for in the usual order.
  if (selection.needsOrder && !roster.isUnread) {
    try {
      await check.refresh();
      return await selection.readAll();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      logger.warn(
        `The chats cannot be read to put them in order, so they are written to in any order. ${error.message}`,
      );
    }
  }
  check.begin();
  if (selection.needsChats) {
    selection.readAll().then(() => tell(({ onChange }) => onChange(idsNow())), (error) => {
      // What cannot be read is read chat by chat.
      if (!(error instanceof StorageError)) tell(({ onFailure }) => onFailure(error));
    });
  }
  return idsNow();
}

/** Where the order begins: at random, or as the id decides, so that every call with the id agrees. */
export function startOf(
  { options: { order = "rotating" } }: Plan,
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
