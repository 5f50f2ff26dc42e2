/** The first import of `test_persistence.ts`. */
import { beginBotScript } from "../../cli/begin.ts";

beginBotScript((self) =>
  `Loads the bot's chats from DynamoDB, shows their statistics, and sends them a test message.

  ${self} [--yes | --no-send | --dry-run [CHAT_ID]]

  --yes      sends without asking
  --no-send  only looks
  --dry-run [CHAT_ID]
             shows the message, and sends nothing; with a chat's id it goes to that chat alone
  --help

It asks before it sends. The bot's settings come from the environment or from .env: TELEGRAM_BOT_TOKEN and so on.
Exit status: 0; 1 where chats are kept in memory only, nobody got it, you said no, or the bot failed; 2 for a mistake in
the arguments or the bot's settings, or where there is no terminal to ask at; 130 for a second Ctrl-C.`
);
