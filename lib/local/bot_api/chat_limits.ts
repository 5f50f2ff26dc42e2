/** How often the bot may write to one chat: its slow mode, and Telegram's own limits for a chat and for a group. */
import { tooManyRequests } from "./errors.ts";
import { FloodGate } from "./floods.ts";

const minuteMs = 60_000;
const defaultBurst = 3;

export interface ChatLimitOptions {
  readonly chatMessagesPerSecond?: number;
  readonly chatBurst?: number;
  readonly groupMessagesPerMinute?: number;
}

export class ChatLimits {
  /** 0: none. */
  slowModeSeconds = 0;
  readonly #second: FloodGate | undefined;
  readonly #perMinute: number;
  /** When the latest of a minute's worth of messages were taken, oldest first. */
  readonly #takenAtMs: number[] = [];
  #lastAtMs = -Infinity;

  constructor(options: ChatLimitOptions, isGroup: boolean, now: () => number) {
    const { chatMessagesPerSecond, chatBurst = defaultBurst, groupMessagesPerMinute = Infinity } = options;
    this.#perMinute = isGroup ? groupMessagesPerMinute : Infinity;
    if (chatMessagesPerSecond !== undefined) {
      this.#second = new FloodGate(chatMessagesPerSecond, now, chatBurst);
    }
  }

  /**
   * Counts messages that nothing else keeps from the chat, those of an album together. A slow mode holds everybody but
   * administrators.
   * @throws {ApiError} 429 with what is left of the wait; nothing is counted.
   */
  take(now: number, isAdministrator: boolean, messages: number = 1): void {
    const slowUntilMs = isAdministrator ? now : this.#lastAtMs + this.slowModeSeconds * 1000;
    const waitMs = Math.max(slowUntilMs, this.#minuteEndsAtMs(now)) - now;
    if (waitMs > 0) throw tooManyRequests(Math.ceil(waitMs / 1000));
    this.#second?.pass();
    for (let each = 0; each < messages; each++) this.#note(now);
  }

  /** When the minute is over of which all messages are used; now if there are some left. */
  #minuteEndsAtMs(now: number): number {
    const [oldest] = this.#takenAtMs;
    return oldest !== undefined && this.#takenAtMs.length >= this.#perMinute ? oldest + minuteMs : now;
  }

  #note(now: number): void {
    this.#lastAtMs = now;
    if (this.#perMinute === Infinity) return;
    this.#takenAtMs.push(now);
    if (this.#takenAtMs.length > this.#perMinute) this.#takenAtMs.shift();
  }
}
