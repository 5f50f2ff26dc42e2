/**
 * Loads what is loaded when it is first needed, and plays a history: what takes real turns of the event loop once in a
 * process is done before histories that count.
 */
import { playHistory } from "./history.ts";
import { planOf } from "./plan.ts";
import { webhookCallback } from "../../lib/telegram/webhook.ts";
import { loadMarshalling } from "../../lib/dynamodb/client.ts";

export async function warmUp(): Promise<void> {
  await import("../../lib/bot/wiring.ts");
  await import("../../lib/telegram/rate_limit/rate_limiter.ts");
  await loadMarshalling();
  // A request without the secret, which loads what reads it.
  await webhookCallback({ handleUpdate: () => Promise.resolve() }, {
    secretToken: "warm-up-of-a-simulation",
  })({});
  await playHistory(planOf(0));
}
