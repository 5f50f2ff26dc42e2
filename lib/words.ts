/** What the bot says in its owner's words, as far as there are any and they can be sent. */
import type { Logger } from "./log.ts";
import { type About, type BotMessages, type MessageName, ownMessages, type Wording } from "./messages.ts";
import { type FormattedText, type TextPart, wellFormed } from "./text.ts";

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
  // A signal's text may be of any length, as what is broadcast is sent in several messages.
  const isSendable = typeof text === "string" && text.trim() !== "" &&
    (name === "signal" || text.length <= longest) && Array.isArray(entities);
  if (isSendable) return { text: wellFormed(text), entities };
  throw new TypeError(
    `it must give a text of 1 to ${longest} characters, or { text, entities }, at once and not as a promise`,
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
