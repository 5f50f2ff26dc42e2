/** The notifier: trading goes on while the bot cannot start or send. */
import {
  createNotifier,
  type Notifier,
  type SignalBot,
  type SignalOutcome,
  type SignalReport,
  type SignalRun,
} from "../../../examples/strategy/notifier.ts";
import { timeframeMs } from "../../../examples/strategy/feed.ts";
import { readSettings } from "../../../examples/strategy/settings.ts";
import { type SignalOptions, StorageError } from "../../../mod.ts";
import { assert, suite } from "../../harness.ts";
import { found } from "../../support/examples.ts";

const test = suite("notifier");

const options = {
  candles: [],
  get expiresAt(): number {
    return Date.now() + timeframeMs;
  },
};

/** A report of these counts; it prints as `sent 2`. */
function reportOf(counts: Partial<SignalReport>): SignalReport {
  const { sent = 0, failed = 0, unknown = 0, skips = { expired: 0, stopped: 0 } } = counts;
  return { sent, failed, unknown, skips, toString: () => `sent ${sent}` };
}

/** A broadcast to so many; `recipients` is 0 where they are not read. */
function runOf(report: SignalReport | Promise<SignalReport>, recipients: number = 2): SignalRun {
  return Object.assign(Promise.resolve(report), { progress: { recipients, done: 0 } });
}

/** A bot that starts, sends and stops; `changes` say what it does otherwise. */
function botOf(changes: Partial<SignalBot> = {}): SignalBot {
  return {
    initialize: () => Promise.resolve(),
    startBot: () => Promise.resolve(),
    finished: new Promise(() => {}),
    sendSignal: () => runOf(reportOf({ sent: 2 })),
    stopBot: () => Promise.resolve(),
    ...changes,
  };
}

function notifierOf(
  bots: SignalBot[],
  fatal?: Error,
  stopping: AbortSignal = new AbortController().signal,
): { notifier: Notifier; lines: string[] } {
  const lines: string[] = [];
  const createBot = (): SignalBot => bots.shift() ?? assert.unreachable("one bot too many") as never;
  const isFatal = (error: unknown): boolean => error === fatal;
  return {
    notifier: createNotifier({
      ...{ createBot, isFatal, hasCharts: true, stopping, retryAfterMs: 1 },
      isBeforeSending: (error) => error instanceof StorageError,
      say: (line) => lines.push(line),
    }),
    lines,
  };
}

const sentTwo: SignalOutcome = { kind: "sent", line: "sent 2" };

test("createNotifier() starts the bot once and sends through it", async () => {
  const { notifier, lines } = notifierOf([botOf()]);
  await notifier.start();
  assert.equal(await notifier.send(found, options), sentTwo);
  assert.equal(await notifier.send(found, options), sentTwo);
  await notifier.stop();
  assert.equal(lines, []);
});

test("createNotifier() sends the candles, or none where no charts are wanted", async () => {
  const asked: SignalOptions[] = [];
  const sendSignal: SignalBot["sendSignal"] = (_, options) => runOf(reportOf({ sent: asked.push(options) }));
  const candles = [{ time: 0, open: 1, high: 1, low: 1, close: 1, volume: 1 }];
  for (const argv of [[], ["--no-chart"]]) {
    const { hasCharts = true } = readSettings(argv) ?? {};
    const parts = { isFatal: () => false, isBeforeSending: () => false, hasCharts, say: () => {} };
    const notifier = createNotifier({ createBot: () => botOf({ sendSignal }), ...parts });
    await notifier.send(found, { ...options, candles });
  }
  assert.equal(asked.map((options) => options.candles), [candles, undefined]);
});

test("createNotifier() start() rejects with a fatal error and survives every other", async () => {
  const refused = new Error("token refused");
  const down = (error: Error): SignalBot => botOf({ initialize: () => Promise.reject(error) });
  assert.is(await notifierOf([down(refused)], refused).notifier.start().catch((error) => error), refused);
  const { notifier, lines } = notifierOf([
    down(new Error("no route")),
    down(new Error("still not")),
    botOf(),
  ]);
  await notifier.start();
  assert.equal(lines, ["no route. The bot tries again until it is up."]);
  assert.equal(await notifier.send(found, options), sentTwo, "the signal waits for the bot");
  assert.equal(await notifier.send(found, options), sentTwo);
  await notifier.stop();
});

test("createNotifier() a signal waits for the bot no longer than until it is over, or the scheduler ends", async () => {
  const down = (): SignalBot => botOf({ initialize: () => Promise.reject(new Error("no route")) });
  const stopping = new AbortController();
  const { notifier } = notifierOf(Array.from({ length: 100 }, down), undefined, stopping.signal);
  await notifier.start();
  const unsent = { kind: "unsent", line: "Not sent: no route" } as const;
  assert.equal(await notifier.send(found, { ...options, expiresAt: Date.now() - 1 }), unsent);
  const waiting = notifier.send(found, options);
  stopping.abort();
  assert.equal(await waiting, unsent);
  await notifier.stop();
});

test("createNotifier() stops a bot that did not come up, before the next attempt", async () => {
  const events: string[] = [];
  const half = botOf({
    startBot: () => Promise.reject(new Error("no route")),
    stopBot: () => Promise.reject(new Error(String(events.push("stopped")))),
  });
  const { notifier } = notifierOf([half, botOf()]);
  await notifier.start();
  assert.equal(events, ["stopped"]);
  assert.equal(await notifier.send(found, options), sentTwo);
});

test("createNotifier() a failed send and a failed stop are lines, not ends", async () => {
  const failing = botOf({
    sendSignal: () => runOf(Promise.reject(new Error("no such luck"))),
    stopBot: () => Promise.reject(new Error("slow")),
  });
  const { notifier, lines } = notifierOf([failing]);
  await notifier.start();
  assert.equal(await notifier.send(found, options), {
    kind: "unknown",
    line: "Failed: no such luck. Somebody may have got it, so it is not sent again.",
  });
  await notifier.stop();
  assert.match(lines.at(-1) ?? "", /did not stop cleanly: slow/);
});

test("createNotifier() tells what was not sent from what somebody may have", async () => {
  const skips = (expired: number, stopped: number): Partial<SignalReport> => ({
    skips: { expired, stopped },
  });
  const kinds = new Map<Partial<SignalReport>, SignalOutcome["kind"]>([
    [{ sent: 1, failed: 5 }, "sent"],
    [{}, "sent"],
    [{ failed: 3 }, "unsent"],
    [skips(3, 0), "unsent"],
    [skips(0, 3), "unsent"],
    [{ unknown: 1, failed: 2 }, "unknown"],
    [{ unknown: 1, ...skips(0, 3) }, "unknown"],
    [{ sent: 1, ...skips(0, 3) }, "sent"],
  ]);
  for (const [counts, kind] of kinds) {
    const { notifier } = notifierOf([botOf({ sendSignal: () => runOf(reportOf(counts)) })]);
    const outcome = await notifier.send(found, options);
    assert.is(outcome.kind, kind, JSON.stringify(counts));
    assert.is(outcome.line.startsWith("Not sent"), kind === "unsent");
  }
});

test("createNotifier() a list of chats that cannot be read is a signal that is not sent", async () => {
  const unread = new StorageError("unreachable", "DynamoDB cannot be reached.");
  const { notifier } = notifierOf([botOf({ sendSignal: () => runOf(Promise.reject(unread), 0) })]);
  assert.equal(await notifier.send(found, options), {
    kind: "unsent",
    line: "Not sent: DynamoDB cannot be reached.",
  });
});

test("createNotifier() a stop ends a signal that waits for the list of chats, and no other", async () => {
  for (const recipients of [0, 2]) {
    const stopping = new AbortController();
    const sendSignal: SignalBot["sendSignal"] = (_, { signal }) => {
      const report = new Promise<SignalReport>((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
        setTimeout(() => resolve(reportOf({ sent: recipients })), 20);
      });
      setTimeout(() => stopping.abort());
      return runOf(report, recipients);
    };
    const { notifier } = notifierOf([botOf({ sendSignal })], undefined, stopping.signal);
    const outcome = await notifier.send(found, options);
    if (recipients === 0) assert.equal(outcome, { kind: "unsent", line: "Not sent: stopped meanwhile" });
    else assert.equal(outcome, sentTwo);
  }
});

test("createNotifier() a stop while a message is on its way ends the signal as soon as it waits for the list", async () => {
  const stopping = new AbortController();
  const progress = { recipients: 1, done: 0 };
  const sendSignal: SignalBot["sendSignal"] = (_, { signal }) => {
    const report = new Promise<SignalReport>((resolve) =>
      signal?.addEventListener("abort", () => resolve(reportOf({ sent: progress.done })))
    );
    setTimeout(() => stopping.abort());
    setTimeout(() => progress.done = 1, 20);
    return Object.assign(report, { progress });
  };
  const { notifier } = notifierOf([botOf({ sendSignal })], undefined, stopping.signal);
  assert.equal(await notifier.send(found, options), { kind: "sent", line: "sent 1" });
});

test("createNotifier() says once that polling ended, and goes on sending", async () => {
  const { notifier, lines } = notifierOf([botOf({ finished: Promise.reject(new Error("token refused")) })]);
  await notifier.start();
  assert.equal(await notifier.send(found, options), sentTwo);
  assert.equal(await notifier.send(found, options), sentTwo);
  assert.equal(lines, ["No longer listening to Telegram (token refused); signals are still sent."]);
});

test.run();
