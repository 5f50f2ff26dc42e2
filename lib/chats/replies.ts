/** What is answered to what was heard. Pure. */
import { isChannel } from "./chat.ts";
import type { ChatState } from "./events.ts";
import type { MessageName } from "./messages.ts";
import type { Intent } from "./update.ts";
import type { WriteResult } from "./writer.ts";

/** A message by its name; the chat's status is what it is when it is sent. */
export type Reply = Exclude<MessageName, "signal" | "statusUnread">;

/** After it was kept. What was heard before has been answered before. */
export function repliesTo(intent: Intent, result: WriteResult): Reply[] {
  const { before, after, isRepeated } = result;
  if (isRepeated) return [];
  switch (intent) {
    case "start":
      // One that a later /stop has taken back meanwhile starts nothing.
      if (!after?.is_active) return ["alreadyStopped"];
      return [before?.is_active ? "alreadyActive" : welcome(before)];
    case "stop":
      // One that a later /start has taken back meanwhile stops nothing.
      if (after?.is_active) return ["alreadyActive"];
      return [before?.is_active ? "stopped" : "alreadyStopped"];
    case "refused":
      return ["administratorsOnly"];
    case "chatTypeNotAllowed":
    case "tooManyChats":
      return [intent];
    case "help":
    case "status":
      return [...greetings(result), intent];
    default:
      return greetings(result);
  }
}

/** While it waits in the queue. `isActive` says whether the chat is subscribed as far as is known here. */
export function repliesWhileQueued(intent: Intent, isActive: boolean): Reply[] {
  if (intent === "start") return [isActive ? "alreadyActive" : "registeredForNow"];
  if (intent === "stop") return ["stoppedForNow"];
  if (intent === "refused") return ["administratorsOnly"];
  return queuedAsks.includes(intent) ? [intent as Reply] : [];
}

const queuedAsks: readonly Intent[] = ["help", "status", "chatTypeNotAllowed", "tooManyChats"];

/** When it is kept after all, and had been answered by `repliesWhileQueued`. */
export function repliesAfterQueue(intent: Intent, result: WriteResult): Reply[] {
  return intent === "start" || intent === "stop" ? [] : greetings(result);
}

function greetings({ before, after }: WriteResult): Reply[] {
  if (!after?.is_active || before?.is_active) return [];
  // What nobody has asked for is not said before all subscribers of a channel.
  return [isChannel(after) ? "channelGreeting" : welcome(before)];
}

function welcome(before: ChatState | undefined): Reply {
  return before === undefined ? "registered" : "returned";
}
