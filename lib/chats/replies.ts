/** What is answered to what was heard. Pure. */
import { isChannel } from "./chat.ts";
import type { ChatState } from "./events.ts";
import type { MessageName } from "./messages.ts";
import type { Ask } from "./update.ts";
import type { Step } from "./writer.ts";

/** A message by its name; the chat's status is what it is when it is sent. */
export type Reply = Exclude<MessageName, "signal" | "statusUnread">;

/** After it was kept. What was heard before has been answered before. */
export function repliesTo(asks: Ask, step: Step): Reply[] {
  const { before, after, isRepeated } = step;
  if (isRepeated) return [];
  switch (asks) {
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
      return [asks];
    case "help":
    case "status":
      return [...greetings(step), asks];
    default:
      return greetings(step);
  }
}

/** While it waits in the queue. `isActive` says whether the chat is subscribed as far as is known here. */
export function repliesWhileQueued(asks: Ask, isActive: boolean): Reply[] {
  if (asks === "start") return [isActive ? "alreadyActive" : "registeredForNow"];
  if (asks === "stop") return ["stoppedForNow"];
  if (asks === "refused") return ["administratorsOnly"];
  return queuedAsks.includes(asks) ? [asks as Reply] : [];
}

const queuedAsks: readonly Ask[] = ["help", "status", "chatTypeNotAllowed", "tooManyChats"];

/** When it is kept after all, and had been answered by `repliesWhileQueued`. */
export function repliesAfterQueue(asks: Ask, step: Step): Reply[] {
  return asks === "start" || asks === "stop" ? [] : greetings(step);
}

function greetings({ before, after }: Step): Reply[] {
  if (!after?.is_active || before?.is_active) return [];
  // What nobody has asked for is not said before all subscribers of a channel.
  return [isChannel(after) ? "channelGreeting" : welcome(before)];
}

function welcome(before: ChatState | undefined): Reply {
  return before === undefined ? "registered" : "returned";
}
