/** A broadcast under way, as its caller sees it: progress, pause and resume, ended at any moment. */
import type { BroadcastProgress } from "../../lib/broadcast/broadcast_run.ts";
import type { BotApiFaultAnswer } from "../../lib/local/mod.ts";
import type { BroadcastReport } from "../../lib/broadcast/report.ts";
import { assert, suite } from "../harness.ts";
import { pause, type Scene, type SceneOptions, subscribers, until, withBot } from "../support/bot.ts";
import { FastClock } from "../support/clocks.ts";

const flood = (retry_after: number): BotApiFaultAnswer => ({
  error_code: 429,
  description: `Too Many Requests: retry after ${retry_after}`,
  parameters: { retry_after },
});

/** Time on both sides of the wire, so many times as fast. */
function hasty(factor: number, messagesPerSecond: number = 1000): SceneOptions {
  const clock = new FastClock(factor);
  return { state: "made", bot: { clock, messagesPerSecond }, server: { clock } };
}

function total(
  counts: Pick<BroadcastReport, "sent" | "deactivated" | "skipped" | "failed" | "unknown">,
): number {
  return counts.sent + counts.deactivated + counts.skipped + counts.failed + counts.unknown;
}

/** What holds of it at every moment. */
function assertSound(progress: BroadcastProgress, recipients: number): void {
  const shown = JSON.stringify(progress);
  assert.is(progress.done, total(progress), shown);
  assert.is(progress.recipients, recipients, shown);
  assert.ok(progress.done <= recipients, shown);
  assert.ok(progress.elapsedMs >= 0, shown);
  const { remainingMs } = progress;
  assert.ok(remainingMs === undefined ? progress.done === 0 : remainingMs >= 0, shown);
  if (progress.done === recipients) assert.not.ok(remainingMs, shown);
}

function sent({ server }: Scene): number {
  return server.countCalls("sendMessage");
}

/** Resolves with how many were sent once nothing more is. */
async function atRest(scene: Scene): Promise<number> {
  for (;;) {
    const before = sent(scene);
    await pause(300);
    if (sent(scene) === before) return before;
  }
}

const test = suite("a broadcast's handle", {}, 60_000);

test("progress adds up at every call and afterwards, and comes four times a second at most and at the end", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const [blocked] = await subscribers(scene, 90);
    server.unheard(() => blocked?.block());
    const seen: BroadcastProgress[] = [];
    const running = bot.broadcast("signal", { onProgress: (progress) => void seen.push(progress) });
    assert.equal([running.progress.recipients, running.progress.done], [0, 0]);
    assert.is(running.progress.remainingMs, undefined);
    const report = await running;
    for (const progress of seen) assertSound(progress, 90);
    for (const [index, { done, elapsedMs }] of seen.entries()) {
      const before = seen[index - 1];
      if (before === undefined) continue;
      assert.ok(done >= before.done);
      if (index < seen.length - 1) {
        assert.ok(elapsedMs - before.elapsedMs >= 240, `${elapsedMs - before.elapsedMs}`);
      }
    }
    const last = seen.at(-1);
    assert.equal([last?.done, last?.sent, last?.deactivated], [90, 89, 1]);
    assert.ok(seen.length > 3 && seen.length <= report.durationMs / 250 + 3, `${seen.length}`);
    await pause(50);
    assert.equal(running.progress, last, "it stands still at the end");
  }, hasty(2, 30));
});

test("progress says that Telegram has asked to wait, while it does", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 20);
    server.flood(30);
    const running = bot.broadcast("signal");
    await until(() => running.progress.isWaiting, "it does not say so");
    assert.is(running.progress.isPaused, false);
    await running;
    assert.is(running.progress.isWaiting, false);
  }, hasty(30));
});

test("onProgress is told when Telegram asks the bot to wait, and for how long", async () => {
  const clock = new FastClock(20);
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 30);
    const flooding = server.flood(300);
    const seen: BroadcastProgress[] = [];
    const running = bot.broadcast("signal", { onProgress: (progress) => void seen.push(progress) });
    await until(() => seen.some(({ isWaiting }) => isWaiting), "it is not told");
    assert.is(seen.find(({ isWaiting }) => isWaiting)?.done, 0);
    assert.ok((seen.find(({ isWaiting }) => isWaiting)?.waitingMs ?? 0) > 250_000);
    flooding.clear();
    assert.is((await running).sent, 30);
  }, { state: "made", bot: { clock, messagesPerSecond: 30 }, server: { clock } });
});

test("remainingMs counts a flood as the wait that it is: neither left out nor counted for each chat", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 60);
    const running = bot.broadcast("signal");
    await until(() => running.progress.done >= 20, "it has not begun");
    server.flood(120);
    await until(() => running.progress.isWaiting, "it does not rest");
    const resting = running.progress;
    const least = resting.waitingMs;
    assert.ok((resting.remainingMs ?? 0) >= least, `${resting.remainingMs} of ${least} ms`);
    assert.ok((resting.remainingMs ?? 0) <= least + 60_000, `${resting.remainingMs} of ${least} ms`);
    await until(() => !running.progress.isWaiting, "it does not go on");
    const { remainingMs = 0, done } = running.progress;
    assert.ok(done < 60 && remainingMs <= 60_000, `${done} have it, and ${remainingMs} ms are left`);
    await running;
  }, hasty(5, 30));
});

test("remainingMs goes by the last few seconds: neither a flood at the start nor another broadcast deceives it", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 90);
    server.flood(60);
    const running = bot.broadcast("signal");
    await until(() => running.progress.done > 0, "it does not go on");
    const { remainingMs = 0 } = running.progress;
    assert.ok(remainingMs <= 30_000, `${remainingMs} ms`);
    await running;
    const [one, other] = [bot.broadcast("one"), bot.broadcast("other")];
    await until(() => one.progress.done >= 50 && other.progress.done >= 50, "they do not begin");
    const { remainingMs: least = 0, recipients, done } = one.progress;
    // Each of the two has half the pace.
    assert.ok(least >= (recipients - done) / 30 * 1000 * 1.4, `${recipients - done} take ${least} ms`);
    await Promise.all([one, other]);
  }, hasty(5, 30));
});

test("remainingMs leaves a pause out", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 60);
    const running = scene.bot.broadcast("signal");
    await until(() => running.progress.done >= 20, "it has not begun");
    running.pause();
    await atRest(scene);
    await pause(6000);
    running.resume();
    const { remainingMs = 0, done } = running.progress;
    assert.ok(done < 60 && remainingMs <= 30_000, `${done} have it, and ${remainingMs} ms are left`);
    await running;
  }, hasty(5, 30));
});

test("the log says how long the only two subscribers have to be waited for", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    await subscribers(scene, 2);
    server.flood(60);
    assert.is((await bot.broadcast("signal")).sent, 2);
    const [line = "", ...more] = logs.of("info", "as Telegram asks");
    assert.match(line, /^The last 2 chats of the broadcast have to wait for \d+ s, as Telegram asks\.$/);
    assert.equal(more, []);
  }, hasty(10));
});

test("an onProgress that throws, or rejects, is told once and changes nothing", async () => {
  for (
    const onProgress of [
      () => {
        throw new Error("no terminal");
      },
      () => Promise.reject(new Error("no terminal")) as unknown as void,
    ]
  ) {
    await withBot(async (scene) => {
      await subscribers(scene, 40);
      const report = await scene.bot.broadcast("signal", { onProgress });
      assert.is(report.sent, 40);
      assert.equal(scene.logs.of("warn"), ["onProgress failed: no terminal"]);
    }, hasty(2, 30));
  }
});

test("a clock that is set back in a broadcast neither silences it nor makes its times negative", async () => {
  const clock = new FastClock(2);
  let backMs = 0;
  const shifted = {
    now: () => clock.now() - backMs,
    sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
    random: () => 0.5,
  };
  await withBot(async (scene) => {
    const users = await subscribers(scene, 90);
    const seen: BroadcastProgress[] = [];
    const onProgress = (progress: BroadcastProgress): void => void seen.push(progress);
    const running = scene.bot.broadcast("signal", { onProgress, order: "ascending" });
    await users[30]?.received("signal");
    backMs = 3_600_000;
    const before = seen.length;
    const report = await running;
    assert.is(report.sent, 90);
    assert.ok(seen.length >= before + 3, "it is silent");
    for (const progress of seen) assertSound(progress, 90);
    assert.ok(report.durationMs >= 2500 && (report.latencyMs?.p50 ?? 0) > 500, JSON.stringify(report));
  }, { state: "made", bot: { clock: shifted, messagesPerSecond: 30 } });
});

test("pause() lets nothing more leave, and resume() sends the rest once", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 60);
    const running = scene.bot.broadcast("signal", { order: "ascending" });
    await users[10]?.received("signal");
    running.pause();
    assert.is(running.progress.isPaused, true);
    const before = await atRest(scene);
    assert.ok(before < 40, `${before} were sent`);
    assertSound(running.progress, 60);
    running.resume();
    assert.is(running.progress.isPaused, false);
    assert.is((await running).sent, 60);
    assert.is(sent(scene), 60);
  }, hasty(1, 30));
});

test("pause() holds what waits out a flood, too, and what waits for its chat's turn", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 10);
    const fault = server.fault({ method: "sendMessage", times: 3, answer: flood(5) });
    const running = bot.broadcast("signal");
    await until(() => fault.hits >= 1, "no flood");
    running.pause();
    const before = await atRest(scene);
    await pause(500);
    assert.is(sent(scene), before, "the flood has passed by now");
    running.resume();
    assert.is((await running).sent, 10);
  }, hasty(20));
});

test("pause() before the first message holds all, and a signal ends it all the same", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 10);
    const abort = new AbortController();
    const running = scene.bot.broadcast("signal", { signal: abort.signal });
    running.pause();
    await until(() => running.progress.recipients === 10, "the chats are not read");
    assert.is(await atRest(scene), 0);
    abort.abort();
    const report = await running;
    assert.equal([report.skipped, report.skips.stopped], [10, 10]);
  }, hasty(1));
});

const recipients = 80;
const stages: Readonly<
  Record<string, (scene: Scene, abort: () => void, started: () => BroadcastProgress) => unknown>
> = {
  "while the chats are read": (_, abort) => abort(),
  "at its first message": async (scene, abort) => {
    await until(() => sent(scene) > 0, "nothing is sent");
    abort();
  },
  "in the middle": async (scene, abort) => {
    await until(() => sent(scene) > 30, "nothing is sent");
    abort();
  },
  "in a flood's pause": async (_, abort, progress) => {
    await until(() => progress().isWaiting, "no flood");
    abort();
  },
};

for (const [stage, act] of Object.entries(stages)) {
  test(`an AbortSignal ends it ${stage}: everyone is accounted for, and nobody written to afterwards`, async () => {
    await withBot(async (scene) => {
      const { bot, server } = scene;
      await subscribers(scene, recipients);
      await bot.initialize();
      if (stage.includes("flood")) server.fault({ method: "sendMessage", times: 5, answer: flood(300) });
      const abort = new AbortController();
      const seen: BroadcastProgress[] = [];
      const running = bot.broadcast("signal", {
        signal: abort.signal,
        onProgress: (progress) => void seen.push(progress),
      });
      running.catch(() => {});
      await act(scene, () => abort.abort(new Error("enough")), () => running.progress);
      const report = await running.catch((error: Error) => error);
      const after = sent(scene);
      if (report instanceof Error) assert.is(report.message, "enough");
      else {
        assert.equal([report.recipients, total(report)], [recipients, recipients]);
        assert.ok(report.skips.stopped > 0 && report.sent < recipients);
        assertSound(running.progress, recipients);
        assert.is(running.progress.done, recipients);
        assert.is(seen.at(-1)?.done, recipients, "the last that is told is the whole");
        assert.is(running.progress.isWaiting, false);
      }
      assert.is(await atRest(scene), after);
    }, hasty(1, 50));
  });
}

test.run();
