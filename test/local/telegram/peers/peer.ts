/** What every bot of another library does, and the play in which a test sees that it does. */
import type { BotApiServer } from "../../../../lib/local/mod.ts";
import { assert } from "../../../harness.ts";
import { updates } from "../../../support/bot_api.ts";

/** A bot that runs. */
export interface Peer {
  /** Resolves when it has ended, with no call under way. */
  stop(): Promise<void>;
}

/** What the bot says, in every library's test alike. */
export const words = {
  greeting: "Hello, Ada",
  button: "Yes",
  data: "yes",
  thanks: "Thank you",
  edited: "You said yes",
};

/** What the bot sends back for a file. */
export function echoOf(text: string): string {
  return `${text} came back`;
}

/** A person writes /start and presses the button of the answer. */
async function play(server: BotApiServer): Promise<void> {
  const ada = server.user({ first_name: "Ada" });
  ada.say("/start");
  const greeting = await ada.received(words.greeting);
  const press = ada.press(greeting, words.button);
  const answer = await press.answered();
  assert.equal([press.data, answer.text], [words.data, words.thanks]);
  await ada.received(words.edited);
  assert.ok(server.countCalls("getUpdates") > 0);
}

/** A person sends a file, which the bot loads, and sends back as another. */
async function playFile(server: BotApiServer): Promise<void> {
  const ada = server.user({ first_name: "Ada" });
  ada.document("note.txt", new TextEncoder().encode("My note"));
  const reply = await ada.received(({ document }) => document !== undefined);
  const echo = server.file(reply.document?.file_id ?? "");
  assert.is(new TextDecoder().decode(echo), echoOf("My note"));
  assert.is(reply.document?.file_name, "echo.txt");
}

/** Runs a bot on a server of its own through the play, and sees that it stops. */
export async function playWith(
  server: BotApiServer,
  start: (server: BotApiServer) => Promise<Peer>,
  sendsFiles: boolean = true,
): Promise<void> {
  const peer = await start(server);
  try {
    await play(server);
    if (sendsFiles) await playFile(server);
  } finally {
    await peer.stop();
  }
  const { text } = server.user().say("Is anybody there?");
  const heard = await updates(server);
  assert.is(heard.at(-1)?.message?.text, text, "nobody else hears anything any more");
}
