/**
 * The way of Telegram's updates to the bots' webhook: a network that loses requests and answers, or holds them up, and a load
 * balancer that has several machines behind it. A request that the balancer still holds may arrive after Telegram has sent the
 * update again.
 */
import type { BotMachine } from "./bot_machine.ts";
import { socketError } from "./network.ts";
import type { Machine, Scheduler } from "./scheduler.ts";

export const webhookAddress = "https://bot.sim/";
export const webhookSecret = "simulated-secret";

/** What may become of a delivery other than that it is answered. */
export const deliveryFates = [
  /** There is no connection. */
  "refused",
  /** The connection is reset, and the update does not arrive. */
  "reset",
  /** The connection is reset, and the update arrives seconds later. */
  "heldUp",
  /** The update arrives; the connection is reset before its answer. */
  "answerReset",
  /** The update arrives; its answer does not, and nobody says so. */
  "unanswered",
] as const;

type DeliveryFate = typeof deliveryFates[number] | "answered";

/** Shares of deliveries, 0 to 1, by what becomes of them; and milliseconds one way, as `Conditions` has them. */
export type DeliveryConditions = { readonly [Kind in typeof deliveryFates[number]]?: number } & {
  readonly baseMs: number;
  readonly tailMs: number;
};

/** A delivery on its way. */
interface Delivery {
  readonly number: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly fate: DeliveryFate;
  /** The machine died, and nobody is left to say so. */
  isSilent: boolean;
}

export class WebhookRoute {
  /** What became of how many deliveries. */
  readonly met: Partial<Record<DeliveryFate, number>> = {};
  readonly #scheduler: Scheduler;
  readonly #machines: () => readonly BotMachine[];
  readonly #random: () => number;
  #conditions: DeliveryConditions;
  #sent = 0;
  /** What ends the deliveries that each machine has. */
  readonly #open = new Map<Machine, Set<(isPowerLost: boolean) => void>>();

  /** @param machines Those behind the load balancer. */
  constructor(
    scheduler: Scheduler,
    machines: () => readonly BotMachine[],
    conditions: DeliveryConditions = { baseMs: 2, tailMs: 5 },
  ) {
    this.#scheduler = scheduler;
    this.#machines = machines;
    this.#conditions = conditions;
    this.#random = scheduler.fork();
  }

  /** Telegram's way to the webhook. */
  readonly fetch: typeof fetch = async (_address, init = {}) => {
    const { signal } = init;
    const status = await this.#deliver({
      number: ++this.#sent,
      headers: Object.fromEntries(new Headers(init.headers)),
      body: String(init.body),
      fate: this.#drawFate(),
      isSilent: false,
    }, signal ?? undefined);
    const response = { status, statusText: "", headers: new Headers(), text: () => Promise.resolve("") };
    return response as Response;
  };

  /** From now on all deliveries are answered, and soon. */
  heal(): void {
    this.#conditions = { baseMs: 2, tailMs: 5 };
  }

  /** The machine's connections break: at once if somebody is left to say so, never if its power is lost. */
  cut(machine: Machine, isPowerLost: boolean): void {
    for (const end of this.#open.get(machine) ?? []) end(isPowerLost);
    this.#open.delete(machine);
  }

  #drawFate(): DeliveryFate {
    const fate = deliveryFates.find((each) => this.#random() < (this.#conditions[each] ?? 0)) ?? "answered";
    this.met[fate] = (this.met[fate] ?? 0) + 1;
    return fate;
  }

  #wayMs(): number {
    const { baseMs, tailMs } = this.#conditions;
    return baseMs * (0.5 + this.#random()) + this.#random() ** 4 * tailMs;
  }

  /** The status of the answer; rejects where none comes. */
  #deliver(delivery: Delivery, signal: AbortSignal | undefined): Promise<number> {
    const scheduler = this.#scheduler;
    const { number, body, fate } = delivery;
    const { update_id } = JSON.parse(body) as { readonly update_id: number };
    scheduler.trace(`telegram webhook #${number} > ${update_id} ${fate}`);
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      const fail = (code: string): void =>
        void scheduler.after(this.#wayMs(), () => reject(socketError(code)), {
          label: `webhook #${number} ${code}`,
        });
      if (fate === "refused") return fail("ECONNREFUSED");
      if (fate === "reset" || fate === "heldUp") fail("ECONNRESET");
      if (fate === "reset") return;
      const heldUpMs = fate === "heldUp" ? this.#random() ** 2 * 20_000 : 0;
      scheduler.after(this.#wayMs() + heldUpMs, () => {
        this.#arrive(delivery).then((status) => {
          if (fate === "unanswered" || fate === "heldUp" || delivery.isSilent) return;
          if (fate === "answerReset") return fail("ECONNRESET");
          scheduler.after(this.#wayMs(), () => resolve(status), { label: `webhook #${number} < ${status}` });
        }, (error: { readonly code: string }) => delivery.isSilent || fail(error.code));
      });
    });
  }

  /** Has a machine handle it; rejects where none takes it, or where the machine ends meanwhile. */
  async #arrive(delivery: Delivery): Promise<number> {
    const candidates = this.#machines().filter(({ isUp, receive }) => isUp && receive !== undefined);
    const bot = candidates[Math.floor(this.#random() * candidates.length)];
    const { machine, receive } = bot ?? {};
    if (machine === undefined || receive === undefined) throw socketError("ECONNREFUSED");
    const open = this.#open.get(machine) ?? new Set();
    this.#open.set(machine, open);
    return await new Promise((resolve, reject) => {
      const end = (isPowerLost: boolean): void => {
        delivery.isSilent = isPowerLost;
        reject(socketError("ECONNRESET"));
      };
      open.add(end);
      const { number, headers, body } = delivery;
      this.#scheduler.after(0, () => {
        receive({ httpMethod: "POST", headers, body }).then(({ statusCode }) => {
          open.delete(end);
          resolve(statusCode);
        }, reject);
      }, { owner: machine, label: `webhook #${number} arrives` });
    });
  }
}
