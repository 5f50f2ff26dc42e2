/** What `--help` prints: apart from the commands, whose packages need permissions that it does not need. */

const sending = `  --yes         sends without asking
  --dry-run [CHAT_ID]
                shows it, and sends nothing; with a chat's id it goes to that chat alone
  --id NAME     sends it once under this name, however often and from wherever this is called; after a crash the same
                call goes on where it was
  --json        prints the report as JSON
  --help

It shows what will be sent, and asks. Ctrl-C ends it: chats that it has not reached by then get nothing, but from the
same call with the same --id. Settings may also stand in .env.
Exit status: 0 where it was sent, now or before; 1 where nobody got it, you said no, it was stopped before its end, or
something else was sent under its name; 2 for a mistake in the arguments or the bot's settings; 130 for a second Ctrl-C.`;

/** @param self What the user typed before the arguments. */
type Usage = (self: string) => string;

export const chats: Usage = (self) =>
  `Lists and changes the chats in the table.

  ${self} COMMAND

  list [--active | --inactive]  the chats, a line each
  find TEXT                     those with the text in their title, name or username, in capitals or not
  show CHAT_ID                  one chat with all its attributes
  stats                         how many chats and messages there are
  save CHAT_ID [--username NAME] [--first-name NAME] [--last-name NAME]
                                registers a chat, or subscribes it again, even after /stop
  deactivate CHAT_ID            ends a subscription, as /stop does
  reactivate CHAT_ID            subscribes a known chat again, even after /stop
  cleanup [--days N] [--yes]    ends the subscriptions of chats that have not written for N days (default: 30),
                                readers who never write included; lists them first, and asks

  --json          prints JSON; cleanup --json without --yes only looks
  --table NAME    default: TELEGRAM_CHATS_TABLE, or telegram-chats
  --region NAME   default: AWS_REGION, or us-east-1
  --help

Ids of groups and channels are negative. Settings may also stand in .env.
Exit status: 0; 1 where there is no such chat, you said no, or DynamoDB cannot be used; 2 for a mistake in the arguments
or the settings.`;

export const broadcast: Usage = (self) =>
  `Sends a text to everyone who is subscribed.

  ${self} TEXT [--photo FILE] [--id NAME]

  --photo FILE  a PNG or JPEG; the text is its caption, and may be ""
${sending}`;

export const send: Usage = (self) =>
  `Sends a trading signal to everyone who is subscribed.

  ${self} --direction long --symbol BTC-USD --entry 67250.5 --stop 66980 --target 67800
  ${self} --yes < signal.json

  --direction long|short, --symbol NAME, --entry PRICE, --stop PRICE, --target PRICE
  --tick-size STEP, --size AMOUNT, --risk AMOUNT, --currency NAME, --timeframe LENGTH, --strategy NAME, --note TEXT,
  --time TIME   an ISO 8601 time with its zone (default: now)
Without any of these, standard input is a signal as JSON: { "direction": "long", "symbol": "BTC-USD", ... }. Its "id" is
the name of --id. With any of these a pipe is not read, as it may be a loop's, and a file of JSON is refused.
${sending}`;

export const sandbox: Usage = (self) =>
  `Runs a script against a Telegram and a DynamoDB on this machine, with a few simulated subscribers.

  ${self} [--fresh] [--data FOLDER] [SCRIPT [ARGS]]

  SCRIPT         any script that reads its settings from the environment (default: the live scheduler, twice)
  --fresh        forgets the chats of earlier runs
  --data FOLDER  where the table is kept (default: .sandbox)
  --help

The table is kept, so that a second run finds the chats of the first. While one runs, a second one in another terminal
runs its script against the same Telegram and the same table. Nothing leaves this machine.
Exit status: the script's own; without a script 0, 1 where the demonstration failed, and 130 where Ctrl-C ended it; 2 for a
mistake in the arguments.`;

export const playground: Usage = (self) =>
  `A page in your browser on which you are a subscriber of a bot, with switches for its failures.

  ${self} [--port N] [--every SECONDS]

  --port N         the page's port on 127.0.0.1 (default: a free one)
  --every SECONDS  from one signal to the next, once you have said /start; 0: nothing happens by itself (default: 60)
  --help

It needs no account, and nothing leaves this machine. Ctrl-C ends it.
Exit status: 0 after SIGINT or SIGTERM; 1 if the port is taken; 2 for a mistake in the arguments; 130 for a second
SIGINT or SIGTERM.`;
