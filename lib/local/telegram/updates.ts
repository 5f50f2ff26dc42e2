/** The queue of updates: the bot empties it by long polling or by a webhook; a second poller can compete for it. */
import { isDeepStrictEqual } from "node:util";
import type { Update } from "grammy/types";
import type { Clock } from "../../util/clock.ts";
import { ApiError, conflict } from "./errors.ts";
import type { ConfirmedUpdate } from "./hooks.ts";
import {
  type WebhookDelivery,
  WebhookSender,
  type WebhookSettings,
  type WebhookTransport,
} from "./webhook.ts";

/** A bot gets these kinds of updates only if it names them in `allowed_updates`. */
const onRequest: ReadonlySet<string> = new Set(["chat_member", "message_reaction", "message_reaction_count"]);

/** An offset further ahead than this counts as one from before a restart of the ids, as at Telegram. */
const offsetSlack = 10;

const maxDeliveries = 10_000;

/** Telegram, too, waits a moment, so that updates which come together leave together. */
const gatherMs = 1;

export interface PollOptions {
  readonly offset: number;
  readonly limit: number;
  readonly timeoutSeconds: number;
  /** Ends a poll whose client is gone. */
  readonly signal: AbortSignal;
}

interface Poll {
  finish(error?: Error): void;
}

export interface UpdateQueueOptions {
  /** Updates are numbered from here on. */
  readonly firstId: number;
  /** The time of long polls and deliveries. */
  readonly clock: Clock;
  /** The clock of the machine that the server runs on: the time of pauses that keep the event loop turning. */
  readonly hostClock: Clock;
  /** Sends updates to the webhook. */
  readonly transport: WebhookTransport;
  /** Called with each update that the bot will not get again. */
  readonly onConfirmed: (update: Update, by: ConfirmedUpdate["by"]) => void;
}

/** The updates that the bot has not confirmed yet. */
export class UpdateQueue {
  readonly #options: UpdateQueueOptions;
  #updates: Update[] = [];
  #nextId: number;
  #allowed: ReadonlySet<string> | undefined;
  #webhook: WebhookSender | undefined;
  #poll: Poll | undefined;
  #isGathering = false;
  #isUnheard = false;

  /** The latest deliveries to webhooks, in the order in which they ended. */
  readonly deliveries: WebhookDelivery[] = [];

  constructor(options: UpdateQueueOptions) {
    this.#options = options;
    this.#nextId = options.firstId;
  }

  /** How many updates wait for confirmation. */
  get size(): number {
    return this.#updates.length;
  }

  get webhook(): WebhookSender | undefined {
    return this.#webhook;
  }

  /** The kinds that the bot asked for; undefined while it is the default set. */
  get allowed(): string[] | undefined {
    return this.#allowed && [...this.#allowed];
  }

  /** Runs the task, and emits no update about what happens in it. */
  unheard<T>(task: () => T): T {
    const before = this.#isUnheard;
    this.#isUnheard = true;
    try {
      return task();
    } finally {
      this.#isUnheard = before;
    }
  }

  /** Adds an update, unless the bot did not ask for its kind. */
  emit(kind: string, value: unknown): void {
    if (this.#isUnheard) return;
    const wanted = this.#allowed === undefined ? !onRequest.has(kind) : this.#allowed.has(kind);
    if (wanted) this.push({ [kind]: value });
  }

  /** Adds an update of any shape; one without an `update_id` gets the next. Returns the id. */
  push(update: object): number {
    const { update_id: given, ...content } = structuredClone(update) as Partial<Update>;
    const update_id = typeof given === "number" ? given : this.#nextId;
    const copy = { update_id, ...content } as Update;
    const restarts = this.#updates.length === 0;
    this.#nextId = restarts ? update_id + 1 : Math.max(this.#nextId, update_id + 1);
    this.#updates.push(copy);
    this.#webhook?.add(copy);
    if (this.#poll && !this.#isGathering) void this.#answerPollSoon();
    return update_id;
  }

  /** Sets which kinds the bot wants: an empty list is the default set, anything but a list changes nothing. */
  allow(kinds: unknown): void {
    if (!Array.isArray(kinds)) return;
    this.#allowed = kinds.length === 0 ? undefined : new Set(kinds.map(String));
  }

  /** Sets the webhook, or deletes it; the updates that wait are sent to it unless they are dropped. */
  setWebhook(settings: WebhookSettings | undefined, drop: boolean): void {
    if (!drop && isDeepStrictEqual(settings, this.#webhook?.settings)) return;
    this.close();
    if (drop) this.#release(() => true, "drop");
    if (settings === undefined) return;
    this.#poll?.finish(conflict("terminated by setWebhook request"));
    const { clock, transport } = this.#options;
    this.#webhook = new WebhookSender(settings, {
      ...{ clock, transport },
      onAttempt: (delivery) => {
        this.deliveries.push(delivery);
        if (this.deliveries.length > maxDeliveries) this.deliveries.shift();
      },
      onTaken: (update) => this.#release((other) => other === update, "webhook"),
    });
    for (const update of this.#updates) this.#webhook.add(update);
  }

  /** Ends the webhook. */
  close(): void {
    this.#webhook?.close();
    this.#webhook = undefined;
  }

  /** Confirms the updates below the offset and returns those that follow, waiting for the first as long as asked. */
  async poll(options: PollOptions): Promise<Update[]> {
    if (this.#webhook !== undefined) {
      throw conflict(
        "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      );
    }
    const offset = this.#confirm(options.offset);
    const ready = this.#take(offset, options.limit);
    if (ready.length > 0 || options.timeoutSeconds === 0) return ready;
    // As with Telegram, only a poll that waits itself ends the one that is waiting.
    this.#poll?.finish(
      conflict("terminated by other getUpdates request; make sure that only one bot instance is running"),
    );
    await this.#wait(options);
    return this.#take(offset, options.limit);
  }

  /** By the machine's clock, as a test may hold the other one. Updates may have been dropped meanwhile. */
  async #answerPollSoon(): Promise<void> {
    this.#isGathering = true;
    await this.#options.hostClock.sleep(gatherMs);
    this.#isGathering = false;
    if (this.#updates.length > 0) this.#poll?.finish();
  }

  /** Removes the updates below the offset; returns the first id to hand out. */
  #confirm(offset: number): number {
    const firstKept = this.#updates.length + offset;
    if (offset < 0) this.#release((_update, index) => index < firstKept, "offset");
    if (offset <= 0 || offset > this.#nextId + offsetSlack) return 0;
    this.#release(({ update_id }) => update_id < offset, "offset");
    return offset;
  }

  /** Removes updates, which the bot will not get again. */
  #release(isGone: (update: Update, index: number) => boolean, by: ConfirmedUpdate["by"]): void {
    const gone = this.#updates.filter(isGone);
    if (gone.length === 0) return;
    this.#updates = this.#updates.filter((update, index) => !isGone(update, index));
    for (const update of gone) this.#options.onConfirmed(update, by);
  }

  #take(offset: number, limit: number): Update[] {
    return this.#updates.filter(({ update_id }) => update_id >= offset).slice(0, limit);
  }

  /** Waits until an update comes, the time is over, the client leaves, or another poll takes its place. */
  #wait(options: PollOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const timeout = new AbortController();
      const leave = (): void => poll.finish();
      const poll: Poll = {
        finish: (error) => {
          if (this.#poll !== poll) return;
          this.#poll = undefined;
          options.signal.removeEventListener("abort", leave);
          timeout.abort();
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#poll = poll;
      if (options.signal.aborted) return leave();
      options.signal.addEventListener("abort", leave);
      this.#options.clock.sleep(options.timeoutSeconds * 1000, timeout.signal).then(leave, () => {});
    });
  }
}

/** How long the second poller waits while a webhook is set. */
const webhookRetryMs = 1000;

/** Two pollers of this kind would otherwise never give the event loop a turn, nor let any time pass. */
const conflictPauseMs = 1;

interface SecondPollerClocks {
  readonly clock: Clock;
  /** The clock of the machine that the server runs on. */
  readonly hostClock: Clock;
}

/**
 * Polls as a second instance of the bot would, inside the server. It polls again at once, so that each long poll of the bot
 * ends with a 409. It confirms the updates that it takes, so that the bot does not get them.
 */
export class SecondPoller implements AsyncDisposable {
  readonly #queue: UpdateQueue;
  readonly #clocks: SecondPollerClocks;
  readonly #stopping: AbortController = new AbortController();
  readonly #taken: Update[] = [];
  readonly #ended: Promise<void>;
  #conflicts = 0;

  /** @ignore Pollers are started by `server.secondPoller()`. */
  constructor(queue: UpdateQueue, clocks: SecondPollerClocks) {
    this.#queue = queue;
    this.#clocks = clocks;
    this.#ended = this.#run();
  }

  /** The updates that it has taken in place of the bot, oldest first. */
  get taken(): readonly Update[] {
    return this.#taken;
  }

  /** How many of its own polls ended with a 409. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** Ends it; the bot is alone again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  /** As `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let offset = 0;
    while (!signal.aborted) {
      const updates = await this.#poll(offset, signal);
      if (signal.aborted) return;
      this.#taken.push(...updates);
      offset = (updates.at(-1)?.update_id ?? offset - 1) + 1;
    }
  }

  async #poll(offset: number, signal: AbortSignal): Promise<Update[]> {
    try {
      return await this.#queue.poll({ offset, limit: 100, timeoutSeconds: 50, signal });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#conflicts += 1;
      const { clock, hostClock } = this.#clocks;
      if (this.#queue.webhook === undefined) await hostClock.sleep(conflictPauseMs);
      else await clock.sleep(webhookRetryMs, signal).catch(() => {});
      return [];
    }
  }
}
