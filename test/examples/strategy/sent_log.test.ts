/** The log of signals that were sent. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../../examples/cli/arguments.ts";
import { openSentLog } from "../../../examples/strategy/sent_log.ts";
import { assert, suite } from "../../harness.ts";
import { inFolder } from "../../support/examples.ts";

const test = suite("sent_log");

test("openSentLog() after undo() one scheduler may record the signal again", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const at = Date.UTC(2026, 0, 5);
    const one = await openSentLog(state, "one");
    await one.record(at - 1);
    const record = await one.record(at);
    const twin = await openSentLog(state, "one");
    assert.instance(await twin.record(at).catch((reason) => reason), UsageError);
    await record.undo();
    assert.is((await openSentLog(state, "one")).last, at - 1, "the twin's try is forgotten, too");
    await twin.record(at);
    assert.instance(await one.record(at).catch((reason) => reason), UsageError);
    assert.is((await openSentLog(state, "one")).last, at);
  }));

test("openSentLog() half a line of undo() does not count: that signal may have been sent", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const at = Date.UTC(2026, 0, 5);
    const record = await (await openSentLog(state, "one")).record(at);
    const before = readFileSync(state, "utf8");
    await record.undo();
    const line = readFileSync(state, "utf8").slice(before.length);
    for (let length = 1; length < line.length - 1; length++) {
      writeFileSync(state, before + line.slice(0, length));
      assert.is((await openSentLog(state, "one")).last, at, `torn at ${length}`);
    }
  }));

test("openSentLog() keeps the other feeds of the symbol, and leaves no other file", () =>
  inFolder(async (folder) => {
    const state = join(folder, "deep", "state.json");
    await (await openSentLog(state, "one")).record(Date.UTC(2026, 0, 5));
    await (await openSentLog(state, "two")).record(Date.UTC(2026, 0, 6));
    assert.is((await openSentLog(state, "one")).last, Date.UTC(2026, 0, 5));
    assert.is((await openSentLog(state, "two")).last, Date.UTC(2026, 0, 6));
    assert.is((await openSentLog(state, "three")).last, -Infinity);
    assert.equal(readdirSync(join(folder, "deep")), ["state.json"]);
  }));

test("openSentLog() loses nothing of another scheduler that shares the file, nor sends what that one sent", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const [one, two] = [await openSentLog(state, "one"), await openSentLog(state, "two")];
    const twin = await openSentLog(state, "one");
    const at = Date.UTC(2026, 0, 5);
    await one.record(at);
    await two.record(at + 1);
    await one.record(at + 2);
    assert.is((await openSentLog(state, "two")).last, at + 1);
    const error = await twin.record(at + 2).catch((reason) => reason);
    assert.instance(error, UsageError);
    assert.match(error.message, /is sent already; does another scheduler trade "one"\?/);
    assert.is((await openSentLog(state, "one")).last, at + 2);
  }));

test("openSentLog() takes half a line for a signal that was not sent, wherever it was torn", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const at = Date.UTC(2026, 0, 5);
    await (await openSentLog(state, "one")).record(at);
    const whole = readFileSync(state, "utf8");
    for (let length = 1; length < whole.length - 1; length++) {
      writeFileSync(state, whole + whole.slice(0, length));
      const sent = await openSentLog(state, "one");
      assert.is(sent.last, at);
      await sent.record(at + 1);
      assert.is((await openSentLog(state, "one")).last, at + 1, `torn at ${length}`);
    }
  }));

test("openSentLog() lets one of several schedulers send a signal, however close they are", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const all = await Promise.all(Array.from({ length: 5 }, () => openSentLog(state, "one")));
    const other = await openSentLog(state, "other");
    for (let minute = 0; minute < 20; minute++) {
      const at = Date.UTC(2026, 0, 5, 0, minute);
      const [, ...outcomes] = await Promise.allSettled([other, ...all].map((sent) => sent.record(at)));
      assert.is(outcomes.filter(({ status }) => status === "fulfilled").length, 1, `minute ${minute}`);
    }
    assert.is((await openSentLog(state, "other")).last, Date.UTC(2026, 0, 5, 0, 19));
  }));

test("openSentLog() refuses a file that it cannot understand, instead of sending again", () =>
  inFolder(async (folder) => {
    const state = join(folder, "state.json");
    const line = '{"feed":"one","time":"2026-01-05T00:00:00.000Z","id":"1"}\n';
    const wrong = [
      "[]",
      "null",
      '{"one": "yesterday"}',
      '{"feed":"one","time":"yesterday"}',
      "five",
      `${line}x\n`,
    ];
    for (const text of wrong) {
      writeFileSync(state, text);
      const error = await openSentLog(state, "one").catch((reason) => reason);
      assert.instance(error, UsageError, text);
      assert.match(error.message, /^Cannot tell from .*state\.json/);
      assert.is(readFileSync(state, "utf8"), text, "it is left as it was");
    }
    assert.instance(await openSentLog(folder, "one").catch((reason) => reason), UsageError);
  }));

test.run();
