/** What the bot says in its owner's words, as far as there are any and they can be sent. */
import { longest as longestBroadcast } from "./broadcast_message.ts";
import type { Logger } from "./log.ts";
import { type About, type BotMessages, type MessageName, ownMessages, type Wording } from "./messages.ts";
import { assertNames } from "./option_names.ts";
import { reasonOf } from "./reason.ts";
import { type FormattedText, isEntityOf, textNames, type TextPart, wellFormed } from "./text.ts";

/** Gives the message of that name. */
export type Words = <Name extends MessageName>(name: Name, about: About<Name>) => FormattedText;

const longest = 4096;

/** A wording that fails costs nobody an answer: the bot's own stands in, and the log says so, once for each message. */
export function createWords(messages: Partial<BotMessages> | undefined, logger: Logger): Words {
  const told = new Set<MessageName>();
  return (name, about) => {
    const own = ownMessages[name](about);
    const wording = messages?.[name] as Wording<typeof about> | undefined;
    if (wording === undefined) return own;
    try {
      const text = wording(about, own);
      // What is no text must not end the process either, if it rejects.
      if (text instanceof Promise) text.catch(() => {});
      return text === undefined ? own : sendable(text, name);
    } catch (error) {
      if (!told.has(name)) {
        logger.error(`messages.${name} fails, so the bot's own words are used: ${reasonOf(error)}`);
      }
      told.add(name);
      return own;
    }
  };
}

/** @throws {TypeError} If it is no text that Telegram takes. */
function sendable(given: TextPart, name: MessageName): FormattedText {
  const { text, entities = [] } = typeof given === "string" ? { text: given } : given;
  // What is broadcast may go out in several messages.
  const atMost = name === "signal" ? longestBroadcast : longest;
  const isSendable = typeof text === "string" && text.trim() !== "" && text.length <= atMost &&
    Array.isArray(entities) && entities.every((entity) => isEntityOf(text, entity));
  assertNames("use what it gives", given, textNames);
  if (isSendable) return { text: wellFormed(text), entities };
  throw new TypeError(
    `it must give a text of 1 to ${atMost} characters, or { text, entities } with entities within the text, ` +
      `at once and not as a promise`,
  );
}
