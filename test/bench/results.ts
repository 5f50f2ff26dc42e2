/** RESULTS.md: what a run has measured, where, and how to read it. */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";
import process from "node:process";
import { markdownTable } from "../support/table.ts";
import { cells, headings, type Row } from "./report.ts";

const meaning = `## How to read them

Everyone compared takes turns in one run, so that a machine that slows down slows everyone down. The figures are
medians. The ratio is ours to the other's of the same round: its median and, in brackets, its quartiles, which
are the noise. Figures of two runs, or of the two runtimes, do not compare: they differ by half on a shared
machine.

- **Registrations, activity updates**: messages a second that are kept, the first of a chat and those of known
  chats, 16 at a time, on one dynalite in a process of its own. *Bare SDK loop*: our client and our expressions
  written by hand, the answer unread; nothing that does the same can be faster. *Get, then put*: read the item
  with @aws-sdk/lib-dynamodb, change it, put it back, with the client as it comes; two writers lose each other's
  counts that way. No target there, as it is the emulator that decides: it has no way to go to, where two
  requests take twice as long as one, and an activity update costs it two or three times what a get and a put do,
  for it parses conditions slowly.
- **Requests**: counted between client and emulator, apart from the race.
- **Client CPU**: processor time of the process that measures, all its threads, and so without the server. It
  shows what time hides while one waits for the emulator.
- **Inbound**: messages a second of known chats that are kept, where DynamoDB takes 5 ms to answer: from the first
  \`getUpdates\` that hands them out to the last write. *Plain grammY*: \`bot.start()\` and a handler that awaits one
  UpdateItem without a condition. *grammY runner*: the same handler under @grammyjs/runner, which confirms messages
  before they are written, and loses them with the process. Each bot is a process of its own with our client;
  Telegram and DynamoDB are one more, in memory, which applies every expression, checks each chat's count after
  every turn, and needs about 0.1 ms of processor time a message. A bot that awaits each write waits for the 5 ms,
  the others for the processor: on a machine that is busy with something else the ratio to the plain one shrinks.
- **Loading**: \`loadActiveChats()\`, against the same parallel scan with nothing around it. The pages come from a
  server that answers Scan in DynamoDB's format, 5,300 chats a page, in a process of its own: seeding a million
  items takes an emulator minutes. The rows from dynalite are for comparison.
- **Memory a chat**: what the loaded set keeps after a collection, with ids up to eight billion, as Telegram's.
  It depends on how full the set is: just after it has grown, as with 131,073 chats, it is 52 bytes.
- **Import of the package**: in new processes, from before the first module is read until the last has run.
  Node imports the built package, Deno \`mod.ts\`, compiled before. What else runs on the machine only ever adds
  to it: the lower quartile of the ratio is nearer to what a machine of one's own shows.
- **Broadcast to so many chats at so many a second**: from the first call that is about to leave to the last message
  that arrives, at a Bot API server on loopback which takes 80 ms for a call, lets a second's worth through at once, and
  answers 429 to what is too much. The bot does not know its limit: it is set to 30/s, or to 1,000/s, whether that is
  the limit or twice as much. Every broadcaster is a process of its own; the servers are one more. Those at 30/s only
  wait, and run side by side, at a server each; those at 1,000/s run one after another. *grammY + auto-retry*: a loop
  with @grammyjs/auto-retry and, as grammY's documentation advises, three calls at a time, or eighty at 1,000/s. *Both
  plugins*: the same with @grammyjs/transformer-throttler, set to the limit, and every call handed to it at once. *Five
  senders*: the Python original's way, five at a time, 50 ms of sleep after each message, and nothing sent again. Each
  of these is one run, so that its ratio has no noise to show.
- **With a chart**: the same 500 chats get it by one upload and its id. The loop uploads it for every chat, which
  Telegram slows down, and so does the server: files of more than 100 KB and of the same size go out at 5/s.
- **/status during a broadcast**: from a chat's message to the answer in it, by long polling, sixty times, each another
  chat.
- **CPU a message**: processor time of the process that sends 10,000 at 1,000/s, beside as many bare
  \`api.sendMessage\` calls, eighty at once, which at the 40 to 120 ms of an answer is the same pace; of both builds: \`grammy\` has a way
  of its own to the network on Node, \`grammy/web\` takes the runtime's. The cheaper one sets the target. The server only
  counts.
- **1,000,000 chats**: \`npm run bench -- broadcast_million\`, or \`all\`. The server only counts, and the bot's clock is
  twice as fast: beyond that, calls would pile up in the server's queue.
- **A month**: \`npm run bench:cost\` says how it comes about. An emulator counts the capacity units of each kind of event;
  what it leaves out (writes of an index, writes that a condition refuses, consistent scans) is added.
- **Chart**: the two pictures of \`test/signals/chart/golden\`, by turns, 1200 × 800; the median of twenty. The first of a process loads
  the packages and compiles the WebAssembly.
- **Adoption**: what a project takes on with this package, or with grammY and what its DynamoDB session storage needs,
  which only remembers what each chat was told last: no list of chats, and no broadcasts. Both are installed by npm into
  empty folders, side by side. *Packages* and *installed* count all that is in \`node_modules\`. *Bundled* is all of it as one
  file, by esbuild with the same settings (\`npm run bundle\`); the smallest is with all names shortened.
- **Newcomer**: the README's sandbox command in a fresh clone, with empty caches, twice. Mostly it is the way to
  the package registry. Deno installs nothing; what it downloads, it does at the start.
`;

/** The page for all rows of a run, by runtime. */
export function resultsPage(rowsOf: ReadonlyMap<string, readonly Row[]>, denoProgram: string): string {
  const { date, hardware, runtimes } = machine(denoProgram);
  const tables = [...rowsOf].map(([runtime, rows]) =>
    `## On ${runtime}\n\n${markdownTable([headings, ...rows.map(cells)])}\n`
  );
  const head = `# Measurements\n\n\`npm run bench\` on ${date}: ${hardware}; ${runtimes}.\n`;
  return [head, ...tables, meaning].join("\n");
}

interface Machine {
  readonly date: string;
  /** Cores, processor and memory. */
  readonly hardware: string;
  readonly runtimes: string;
}

function machine(denoProgram: string): Machine {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const [, deno = "?"] = /^deno (\S+)/.exec(execFileSync(denoProgram, ["--version"], { encoding: "utf8" })) ??
    [];
  return {
    date: new Date().toISOString().slice(0, 10),
    hardware: `${availableParallelism()} cores, ${cpus()[0]?.model ?? "processor unknown"}, ${gigabytes} GB`,
    runtimes: `Node ${process.versions.node}, Deno ${deno}, ${process.platform} ${process.arch}`,
  };
}
