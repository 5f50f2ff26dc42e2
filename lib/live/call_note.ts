/** What is noted of a strategy's call with a candle. */
import type { Found } from "./found.ts";

export interface CallNote {
  /** When the candle closed, in milliseconds since 1970. */
  readonly time: number;
  /** Whether the strategy has answered, or will not any more. */
  isOver: boolean;
  /** What it has said last. */
  explained?: unknown;
  /** Why it failed. */
  mistake?: string;
  found?: Found | undefined;
  /** Why its signal was not sent; `undefined` where it was, or may still be. */
  unsent?: string | undefined;
}
