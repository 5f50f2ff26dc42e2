/** What can go wrong, to be switched on and off. */
import type {
  BotApiFault,
  BotApiServer,
  Fault,
  FaultGate,
  LocalChat,
  LocalUser,
} from "telegram-signals/local";

/** After so many messages Telegram has had enough, and says so for as long. */
const messagesBeforeFlood = 20;
const floodSeconds = 3;

const floodAnswer = {
  error_code: 429,
  description: `Too Many Requests: retry after ${floodSeconds}`,
  parameters: { retry_after: floodSeconds },
};

/** DynamoDB cannot be reached: every connection breaks. */
export class Outage {
  readonly #gate: FaultGate;
  #fault: Fault | undefined;

  constructor(gate: FaultGate) {
    this.#gate = gate;
  }

  get isOn(): boolean {
    return this.#fault !== undefined;
  }

  set isOn(isOn: boolean) {
    if (isOn === this.isOn) return;
    this.#fault?.clear();
    this.#fault = isOn ? this.#gate.refuse() : undefined;
  }
}

/** Telegram limits the rate: after every few messages it refuses all for a while. */
export class Flood {
  readonly #telegram: BotApiServer;
  #faults: readonly BotApiFault[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #messages = 0;
  #isOn = false;

  constructor(telegram: BotApiServer, chats: readonly LocalChat[]) {
    this.#telegram = telegram;
    for (const chat of chats) chat.onMessage(() => this.#count());
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    this.#messages = 0;
    if (!isOn) this.#recede();
  }

  #count(): void {
    if (!this.#isOn || ++this.#messages < messagesBeforeFlood) return;
    this.#recede();
    this.#messages = 0;
    this.#faults = ["sendMessage", "sendPhoto"].map((method) =>
      this.#telegram.fault({ method, times: Infinity, answer: floodAnswer })
    );
    this.#timer = setTimeout(() => this.#recede(), floodSeconds * 1000);
  }

  #recede(): void {
    clearTimeout(this.#timer);
    for (const fault of this.#faults) fault.clear();
    this.#faults = [];
  }
}

/** The visitor blocks the bot. */
export class Block {
  readonly #user: LocalUser;
  #isOn = false;

  constructor(user: LocalUser) {
    this.#user = user;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    if (isOn) this.#user.block();
    else this.#user.unblock();
  }
}
