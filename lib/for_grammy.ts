/** Where our types and grammY's differ. */
import type { Api } from "grammy/web";

/** grammY types its signals as an older package's; the native one is what it takes. */
export function forGrammy(signal: AbortSignal): Parameters<Api["getMe"]>[0] {
  return signal as Parameters<Api["getMe"]>[0];
}
