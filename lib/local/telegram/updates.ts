/** The queue of updates, and the long polling or the webhook that empties it. */
import type { Update } from "grammy/types";
import type { Clock } from "../../util/clock.ts";
import { conflict } from "./errors.ts";
import { updateInOrder } from "./field_order.ts";
import { Webhook, type WebhookDelivery, type WebhookSettings } from "./webhook.ts";

/** The kinds of updates that a bot gets only if it asks for them by name. */
const onRequest: ReadonlySet<string> = new Set(["chat_member", "message_reaction", "message_reaction_count"]);

/** Telegram takes an offset further ahead than this for one from before a restart of the ids. */
const offsetSlack = 10;

const maxDeliveries = 10_000;

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

export class UpdateQueue {
  readonly #clock: Clock;
  #updates: Update[] = [];
  #nextId: number;
  #allowed: ReadonlySet<string> | undefined;
  #webhook: Webhook | undefined;
  #poll: Poll | undefined;
  #wakeUp: ReturnType<typeof setTimeout> | undefined;
  #isUnheard = false;

  /** The latest deliveries to webhooks, in the order in which they ended. */
  readonly deliveries: WebhookDelivery[] = [];

  constructor(firstId: number, clock: Clock) {
    this.#nextId = firstId;
    this.#clock = clock;
  }

  /** How many updates wait for confirmation. */
  get size(): number {
    return this.#updates.length;
  }

  get webhook(): Webhook | undefined {
    return this.#webhook;
  }

  /** The kinds that the bot asked for; undefined while it is the default set. */
  get allowed(): string[] | undefined {
    return this.#allowed && [...this.#allowed];
  }

  /** Runs the task without an update of anything that happens in it. */
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
    const copy = updateInOrder({ update_id: this.#nextId, ...structuredClone(update) } as Update);
    if (typeof copy.update_id !== "number") copy.update_id = this.#nextId;
    const restarts = this.#updates.length === 0;
    this.#nextId = restarts ? copy.update_id + 1 : Math.max(this.#nextId, copy.update_id + 1);
    this.#updates.push(copy);
    this.#webhook?.add(copy);
    // Telegram too waits a moment, so that updates which come together leave together.
    if (this.#poll) this.#wakeUp ??= setTimeout(() => this.#answerPoll(), 1);
    return copy.update_id;
  }

  /** Remembers which kinds the bot wants: an empty list is the default set, anything but a list changes nothing. */
  allow(kinds: unknown): void {
    if (!Array.isArray(kinds)) return;
    this.#allowed = kinds.length === 0 ? undefined : new Set(kinds.map(String));
  }

  /** Sends all updates there from now on, or to nobody; what waits is sent too, if it is not dropped. */
  setWebhook(settings: WebhookSettings | undefined, drop: boolean): void {
    if (!drop && isSame(settings, this.#webhook?.settings)) return;
    this.close();
    if (drop) this.#updates = [];
    if (settings === undefined) return;
    this.#poll?.finish(conflict("terminated by setWebhook request"));
    this.#webhook = new Webhook(settings, {
      clock: this.#clock,
      onAttempt: (delivery) => this.#record(delivery),
      onTaken: (update) => this.#forget(update),
    });
    for (const update of this.#updates) this.#webhook.add(update);
  }

  /** Ends the webhook. */
  close(): void {
    this.#webhook?.close();
    this.#webhook = undefined;
  }

  /** Confirms what is below the offset and gives what follows, waiting for it as long as was asked. */
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

  /** A poll is answered when there is something to say; updates that were dropped meanwhile are not. */
  #answerPoll(): void {
    this.#wakeUp = undefined;
    if (this.#updates.length > 0) this.#poll?.finish();
  }

  /** Forgets the updates below the offset; returns the first id to hand out. */
  #confirm(offset: number): number {
    if (offset < 0) this.#updates = this.#updates.slice(offset);
    if (offset <= 0 || offset > this.#nextId + offsetSlack) return 0;
    this.#updates = this.#updates.filter(({ update_id }) => update_id >= offset);
    return offset;
  }

  #take(offset: number, limit: number): Update[] {
    return this.#updates.filter(({ update_id }) => update_id >= offset).slice(0, limit);
  }

  #record(delivery: WebhookDelivery): void {
    this.deliveries.push(delivery);
    if (this.deliveries.length > maxDeliveries) this.deliveries.shift();
  }

  #forget(update: Update): void {
    const index = this.#updates.indexOf(update);
    if (index >= 0) this.#updates.splice(index, 1);
  }

  /** Until an update comes, the time is over, the client leaves, or another poll takes its place. */
  #wait(options: PollOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const timeout = new AbortController();
      const leave = (): void => poll.finish();
      const poll: Poll = {
        finish: (error) => {
          if (this.#poll !== poll) return;
          this.#poll = undefined;
          clearTimeout(this.#wakeUp);
          this.#wakeUp = undefined;
          options.signal.removeEventListener("abort", leave);
          timeout.abort();
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#poll = poll;
      if (options.signal.aborted) return leave();
      options.signal.addEventListener("abort", leave);
      this.#clock.sleep(options.timeoutSeconds * 1000, timeout.signal).then(leave, () => {});
    });
  }
}

function isSame(one: WebhookSettings | undefined, other: WebhookSettings | undefined): boolean {
  return one?.url === other?.url && one?.secretToken === other?.secretToken &&
    one?.maxConnections === other?.maxConnections;
}
