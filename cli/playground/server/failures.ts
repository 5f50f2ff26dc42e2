/** Failures that the page switches on and off. */
import type {
  BotApiFault,
  BotApiServer,
  Fault,
  FaultGate,
  LocalChat,
  LocalUser,
} from "telegram-signals/local";

/** After so many messages Telegram refuses all for so long. */
const messagesBeforeFlood = 20;
const floodSeconds = 3;

const floodAnswer = {
  error_code: 429,
  description: `Too Many Requests: retry after ${floodSeconds}`,
  parameters: { retry_after: floodSeconds },
};

/** DynamoDB cannot be reached: every connection is refused. */
export class DatabaseOutage {
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

/** Telegram limits the rate: after every twenty messages it answers 429 for three seconds. */
export class FloodLimit {
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
    if (!isOn) this.#clearFaults();
  }

  #count(): void {
    if (!this.#isOn || ++this.#messages < messagesBeforeFlood) return;
    this.#clearFaults();
    this.#messages = 0;
    this.#faults = ["sendMessage", "sendPhoto"].map((method) =>
      this.#telegram.fault({ method, times: Infinity, answer: floodAnswer })
    );
    this.#timer = setTimeout(() => this.#clearFaults(), floodSeconds * 1000);
  }

  #clearFaults(): void {
    clearTimeout(this.#timer);
    for (const fault of this.#faults) fault.clear();
    this.#faults = [];
  }
}

/** The visitor has blocked the bot. */
export class UserBlock {
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
