/** A flood of the bot for hours, and another poller for minutes, around a signal. */
import { assert } from "../harness.ts";
import { until } from "../support/bot.ts";
import type { Row } from "./stranger_rows.ts";
import { onStage, type Size, timesIn } from "./stage.ts";

const twoHoursS = 7200;
/** Calls into a flood: what is under way when it begins, which is more on a busy machine, and the probes that prove it. */
const handful = ({ bounds }: Size): number => bounds.slackMs === 0 ? 10 : 30;
const quick = 2400;

/** A 429 of two hours in the middle of a signal: a handful of calls into it, and afterwards all have it. */
const flood = (broadcastId?: string): Row => async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server, logs } = stage.scene;
    const sent = stage.send({ broadcastId });
    await until(() => stage.callsOf(sent).length > size.people / 3, "it has not begun");
    const flooding = server.flood(twoHoursS);
    await until(() => sent.run.progress.isWaiting, "it does not rest");
    const { waitingMs, failed } = sent.run.progress;
    assert.ok(waitingMs > (twoHoursS - 300) * 1000, `${waitingMs} ms`);
    assert.is(failed, 0);
    const [told = "", ...more] = logs.of("warn", "limits the rate");
    assert.match(told, /it asks to wait for 7[12]\d\d s/);
    assert.equal(more, []);
    stage.clock.setFactor(quick);
    await until(() => stage.clock.now() > flooding.endsAtMs - 1000, "the time does not pass");
    stage.clock.setFactor(size.factor);
    const hits = flooding.hits;
    await stage.arrived(sent);
    stage.assertOnce(sent);
    const report = await stage.finished(sent, size.factor);
    assert.equal([report.sent, report.failed, report.stopped], [size.people, 0, undefined]);
    assert.ok(hits > 0 && flooding.hits <= handful(size), `${flooding.hits} calls into the flood`);
    line = `${flooding.hits} calls into a flood of two hours; all ${size.people} have it afterwards, once`;
  }, { hasLedger: broadcastId !== undefined });
  return line;
};

/** What expires in a flood is counted as expired, and nobody as failed. */
const expiring: Row = async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server } = stage.scene;
    const sent = stage.send({ maxAgeMs: 600_000 });
    await until(() => stage.callsOf(sent).length > size.people / 3, "it has not begun");
    const flooding = server.flood(twoHoursS);
    await until(() => sent.run.progress.isWaiting, "it does not rest");
    const { willExpire, done, recipients } = sent.run.progress;
    assert.is(willExpire, recipients - done, "the progress says who will not have it");
    const { sent: count, failed, skips, skipped } = await stage.finished(sent, quick / 16);
    assert.equal([failed, count + skips.expired, skips.expired], [0, size.people, skipped]);
    assert.ok(skipped > 0 && flooding.hits <= handful(size));
    const has = stage.people.filter((person) => timesIn(person, sent.mark) > 0).length;
    assert.is(has, count);
    line =
      `${flooding.hits} calls into the flood; ${count} have it, ${skips.expired} are counted as expired, none as failed`;
  });
  return line;
};

/** A run with an id that the bot's end meets in a flood stays open, and is finished by the next bot. */
const leaving: Row = async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server, bot, another } = stage.scene;
    const sent = stage.send({ broadcastId: "left" });
    await until(() => stage.callsOf(sent).length > size.people / 3, "it has not begun");
    const flooding = server.flood(twoHoursS);
    await until(() => sent.run.progress.isWaiting, "it does not rest");
    stage.clock.setFactor(100);
    await bot.stopBot();
    const first = await sent.run;
    assert.match(first.stopped ?? "", "the bot was stopped");
    assert.is(first.failed, 0);
    flooding.clear();
    stage.clock.setFactor(size.factor);
    const { run } = stage.repeated(sent, another(), { broadcastId: "left" });
    const second = await run;
    await stage.arrived(sent);
    stage.assertOnce(sent);
    assert.equal([second.sent, second.failed], [size.people, 0]);
    line = `${first.sent} have it before the bot ends, all ${second.sent} by the next bot, once`;
  }, { hasLedger: true });
  return line;
};

/** Another program polls for ten minutes: signals go out meanwhile, and /stop is heard afterwards. */
const otherPoller: Row = async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server, bot, logs, settled } = stage.scene;
    const [leaver] = stage.people;
    await until(() => bot.health.isHearing, "it never hears");
    const polls = server.countCalls("getUpdates");
    const poller = server.secondPoller();
    const from = stage.clock.now();
    stage.clock.setFactor(100);
    await until(() => !bot.health.isHearing, "it takes itself for hearing");
    const deafAfterMs = stage.clock.now() - from;
    await until(() => stage.clock.now() - from > 10 * 60_000, "the time does not pass");
    stage.clock.setFactor(size.factor);
    const sent = stage.send();
    await stage.arrived(sent);
    stage.assertOnce(sent);
    const asked = server.countCalls("getUpdates") - polls;
    await poller.stop();
    leaver?.say("/stop");
    stage.clock.setFactor(100);
    await leaver?.received("You are unsubscribed", 30_000);
    await until(() => bot.health.isHearing, "it does not hear again");
    await settled();
    stage.clock.setFactor(size.factor);
    const next = stage.send();
    const others = stage.people.slice(1);
    await stage.arrived(next, others);
    await next.run;
    stage.assertOnce(next, others);
    assert.is(leaver && timesIn(leaver, next.mark), 0, "who has said /stop gets nothing");
    assert.ok(deafAfterMs >= 170_000, `deaf after ${deafAfterMs} ms`);
    assert.ok(asked < 100, `${asked} polls in ten minutes`);
    assert.is(logs.of("warn", "Another program polls").length, 1, logs.text);
    const deaf = logs.lines.filter(({ message }) => message.includes("Commands have not been heard for"));
    assert.is(deaf.length, 1, logs.text);
    line = `${asked} polls in ten minutes; deaf after ${
      Math.round(deafAfterMs / 1000)
    } s; /stop is heard afterwards`;
  });
  return line;
};

export const floodRows: Readonly<Record<string, Row>> = {
  "a 429 of two hours": flood(),
  "a 429 of two hours, with an id": flood("flooded"),
  "a 429 of two hours, and the signal expires": expiring,
  "a 429 of two hours, and the bot ends": leaving,
  "another poller for ten minutes": otherPoller,
};
