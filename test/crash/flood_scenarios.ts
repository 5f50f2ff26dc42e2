/** A 429 for hours, or another poller for minutes, around a signal. */
import { assert } from "../harness.ts";
import { until } from "../support/bot.ts";
import type { Scenario } from "./stranger_scenarios.ts";
import { timesIn, withSignalCheck } from "./signal_check.ts";

const twoHoursS = 7200;
/**
 * Most calls into a flood: those under way when it begins, the probes, and the messages that test the rest. Where few
 * people are left, more of them are drawn.
 */
const [mostCalls, mostCallsAtEnd] = [18, 32];
/** The clock's factor in a flood. */
const quick = 2400;

/** A 429 of two hours once a part of the people has a signal: a few calls into it, and afterwards all have it. */
const flood = (broadcastId?: string, part: number = 1 / 3): Scenario => async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server, logs } = check.fixture;
    const sent = check.send({ broadcastId });
    await until(() => check.callsOf(sent).length > size.people * part, "it has not begun");
    const flooding = server.flood(twoHoursS);
    await until(() => sent.run.progress.isWaiting, "it does not rest");
    const { waitingMs, failed } = sent.run.progress;
    assert.ok(waitingMs > (twoHoursS - 300) * 1000, `${waitingMs} ms`);
    assert.is(failed, 0);
    const [warning = "", ...more] = logs.of("warn", "limits the rate");
    assert.match(warning, /it asks to wait for 7[12]\d\d s/);
    assert.equal(more, []);
    check.clock.setFactor(quick);
    await until(() => check.clock.now() > flooding.endsAtMs - 1000, "the time does not pass");
    check.clock.setFactor(size.factor);
    const hits = flooding.hits;
    await check.arrived(sent);
    check.assertOnce(sent);
    const report = await check.finished(sent, size.factor);
    assert.equal([report.sent, report.failed, report.stopped], [size.people, 0, undefined]);
    const atMost = part > 2 / 3 ? mostCallsAtEnd : mostCalls;
    assert.ok(hits > 0 && flooding.hits <= atMost, `${flooding.hits} calls into the flood`);
    return `${flooding.hits} calls into a flood of two hours; all ${size.people} have it afterwards, once`;
  }, { hasLedger: broadcastId !== undefined });
};

/** A signal that expires in a flood counts chats as expired, and none as failed. */
const expiring: Scenario = async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server } = check.fixture;
    const sent = check.send({ maxAgeMs: 600_000 });
    await until(() => check.callsOf(sent).length > size.people / 3, "it has not begun");
    const flooding = server.flood(twoHoursS);
    await until(() => sent.run.progress.isWaiting, "it does not rest");
    const { willExpire, done, recipients } = sent.run.progress;
    assert.is(willExpire, recipients - done, "the progress says who will not have it");
    const { sent: count, failed, skips, skipped } = await check.finished(sent, quick / 16);
    assert.equal([failed, count + skips.expired, skips.expired], [0, size.people, skipped]);
    assert.ok(skipped > 0 && flooding.hits <= mostCalls, `${flooding.hits} calls into the flood`);
    const has = check.people.filter((person) => timesIn(person, sent.mark) > 0).length;
    assert.is(has, count);
    return `${flooding.hits} calls into the flood; ${count} have it, ${skips.expired} are counted as expired, none as failed`;
  });
};

/** The bot ends in a flood: its run with an id stays open, and the next bot finishes it. */
const leaving: Scenario = async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server, bot, another } = check.fixture;
    const sent = check.send({ broadcastId: "left" });
    await until(() => check.callsOf(sent).length > size.people / 3, "it has not begun");
    const flooding = server.flood(twoHoursS);
    await until(() => sent.run.progress.isWaiting, "it does not rest");
    check.clock.setFactor(100);
    await bot.stopBot();
    const first = await sent.run;
    assert.match(first.stopped ?? "", "the bot was stopped");
    assert.is(first.failed, 0);
    flooding.clear();
    check.clock.setFactor(size.factor);
    const { run } = check.repeated(sent, another(), { broadcastId: "left" });
    const second = await run;
    await check.arrived(sent);
    check.assertOnce(sent);
    assert.equal([second.sent, second.failed], [size.people, 0]);
    return `${first.sent} have it before the bot ends, all ${second.sent} by the next bot, once`;
  }, { hasLedger: true });
};

/** Another program polls for ten minutes: signals go out meanwhile, and /stop is heard afterwards. */
const otherPoller: Scenario = async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server, bot, logs, settled } = check.fixture;
    const [leaver] = check.people;
    await until(() => bot.health.isHearing, "it never hears");
    const polls = server.countCalls("getUpdates");
    const poller = server.secondPoller();
    const from = check.clock.now();
    check.clock.setFactor(100);
    await until(() => !bot.health.isHearing, "it takes itself for hearing");
    const deafAfterMs = check.clock.now() - from;
    await until(() => check.clock.now() - from > 10 * 60_000, "the time does not pass");
    check.clock.setFactor(size.factor);
    const sent = check.send();
    await check.arrived(sent);
    check.assertOnce(sent);
    const asked = server.countCalls("getUpdates") - polls;
    await poller.stop();
    leaver?.say("/stop");
    check.clock.setFactor(100);
    await leaver?.received("You are unsubscribed", 30_000);
    await until(() => bot.health.isHearing, "it does not hear again");
    await settled();
    check.clock.setFactor(size.factor);
    const next = check.send();
    const others = check.people.slice(1);
    await check.arrived(next, others);
    await next.run;
    check.assertOnce(next, others);
    assert.is(leaver && timesIn(leaver, next.mark), 0, "who has said /stop gets nothing");
    assert.ok(deafAfterMs >= 170_000, `deaf after ${deafAfterMs} ms`);
    assert.ok(asked < 100, `${asked} polls in ten minutes`);
    assert.is(logs.of("warn", "Another program polls").length, 1, logs.text);
    const deaf = logs.lines.filter(({ message }) => message.includes("Commands have not been heard for"));
    assert.is(deaf.length, 1, logs.text);
    return `${asked} polls in ten minutes; deaf after ${
      Math.round(deafAfterMs / 1000)
    } s; /stop is heard afterwards`;
  });
};

export const floodScenarios: Readonly<Record<string, Scenario>> = {
  "a 429 of two hours": flood(),
  "a 429 of two hours, with an id": flood("flooded"),
  "a 429 of two hours, with few people left": flood(undefined, 4 / 5),
  "a 429 of two hours, and the signal expires": expiring,
  "a 429 of two hours, and the bot ends": leaving,
  "another poller for ten minutes": otherPoller,
};
