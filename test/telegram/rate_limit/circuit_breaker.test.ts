/** The circuit breaker: after a message without an answer the others wait until Telegram answers. */
import { HttpError } from "grammy/web";
import { CircuitBreaker } from "../../../lib/telegram/rate_limit/circuit_breaker.ts";
import { systemClock } from "../../../lib/util/clock.ts";
import { assert, suite } from "../../harness.ts";
import { Logs, pause, soon, subscribers, until, withBot } from "../../support/bot.ts";
import { failureOf } from "../../support/storage.ts";

const test = suite("CircuitBreaker", {}, 30_000);

const noAnswer = (): HttpError => new HttpError("Network request failed!", new Error("socket hang up"));

/** A breaker whose questions are answered by hand. */
function scene() {
  const questions: { answer(): void; fail(): void }[] = [];
  const logs = new Logs();
  const closing = new AbortController();
  const answerMs = 5000;
  const sleep = (ms: number, ending?: AbortSignal): Promise<void> =>
    systemClock.sleep(ms === answerMs ? ms : 5, ending);
  const clock = { ...systemClock, sleep };
  const ask = (): Promise<unknown> =>
    new Promise<void>((answer, reject) => questions.push({ answer, fail: () => reject(noAnswer()) }));
  const breaker = new CircuitBreaker({ ask, clock, logger: logs, signal: closing.signal });
  return { breaker, questions, logs, closing };
}

test("after no answer all wait for one question, which is asked until it is answered; it is said once", async () => {
  const { breaker, questions, logs } = scene();
  await breaker.closed();
  breaker.note(noAnswer());
  breaker.note(noAnswer());
  const waiting = Array.from({ length: 30 }, () => breaker.closed());
  for (let asked = 0; asked < 3; asked++) {
    await until(() => questions.length === asked + 1, "nothing is asked");
    assert.not.ok(await soon(Promise.any(waiting), 20), "one does not wait");
    questions[asked]?.fail();
  }
  await until(() => questions.length === 4, "nothing is asked");
  questions[3]?.answer();
  await Promise.all(waiting);
  await breaker.closed();
  assert.is(questions.length, 4);
  assert.is(logs.of("warn", "Telegram cannot be reached (socket hang up)").length, 1);
  assert.is(logs.of("info", "can be reached again").length, 1);
});

test("a refusal, a flood and a wrong token are answers: nobody waits", async () => {
  const { breaker, questions } = scene();
  for (const error_code of [400, 401, 403, 404, 429]) {
    breaker.note({ ok: false, error_code, description: "no" });
  }
  await breaker.closed();
  assert.is(questions.length, 0);
});

test("nothing is asked while nobody waits, and one who comes as the last one leaves has an answer", async () => {
  const { breaker, questions } = scene();
  breaker.note(noAnswer());
  await pause(30);
  assert.is(questions.length, 0);
  const leaving = new AbortController();
  const late = breaker.closed(leaving.signal).catch(() => breaker.closed());
  await until(() => questions.length === 1, "nothing is asked");
  questions[0]?.fail();
  await pause(0);
  leaving.abort(new Error("nobody waits"));
  await until(() => questions.length === 2, "nothing is asked for the one who came");
  questions[1]?.answer();
  await late;
  breaker.note(noAnswer());
  const again = new AbortController();
  const gone = failureOf(breaker.closed(again.signal));
  await until(() => questions.length === 3, "nothing is asked");
  again.abort(new Error("nobody waits"));
  await gone;
  questions[2]?.fail();
  await pause(50);
  assert.is(questions.length, 3);
});

test("its end is everybody's", async () => {
  const { breaker, closing } = scene();
  breaker.note(noAnswer());
  const waiting = failureOf(breaker.closed());
  closing.abort(new Error("the bot was stopped"));
  assert.match((await waiting).message, "the bot was stopped");
});

test("the question leaves at once, also where getMe is in a flood", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const users = await subscribers(scene, 20);
    await bot.initialize();
    const answer = { error_code: 429, description: "Too Many Requests", parameters: { retry_after: 600 } };
    const flood = server.fault({ method: "getMe", times: 1, answer });
    const leaving = new AbortController();
    const held = failureOf(bot.grammy.api.getMe(leaving.signal as never));
    await until(() => flood.hits === 1, "there is no flood");
    server.fault({ method: "sendMessage", times: 1, answer: "lose" });
    const report = await bot.broadcast("a signal");
    assert.equal([report.sent, report.unknown], [19, 1]);
    for (const user of users) assert.is(user.inbox.length, 1);
    leaving.abort();
    await held;
  }, { state: "made" });
});

test.run();
