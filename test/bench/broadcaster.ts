/** One broadcaster with one task in a process of its own, which tells when it began, and ends. */
import process from "node:process";
import { type BroadcasterName, broadcasters, type Task } from "./broadcasters.ts";

/** What it tells. */
export interface Began {
  /** When the first call was about to leave, in milliseconds since 1970. */
  readonly startedAt: number;
}

const [name = "", task = ""] = process.argv.slice(2);
let startedAt = NaN;
await broadcasters[name as BroadcasterName](JSON.parse(task) as Task, () => {
  startedAt = Date.now();
});
console.log(JSON.stringify({ startedAt } satisfies Began));
// The throttler's queues would be kept for minutes.
process.exit();
