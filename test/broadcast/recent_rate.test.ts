/** How fast something went lately. */
import { RecentRate } from "../../lib/broadcast/broadcast_run.ts";
import { assert, suite } from "../harness.ts";

const test = suite("RecentRate");

test("it forgets what was more than a few seconds ago", () => {
  const rate = new RecentRate();
  for (let at = 0; at <= 10_000; at += 10) rate.note(at, at / 100);
  assert.ok(Math.abs((rate.perMs ?? 0) - 0.01) < 0.0005, `${rate.perMs}`);
  for (let at = 10_000; at <= 20_000; at += 10) rate.note(at, 100 + (at - 10_000) / 10);
  assert.ok(Math.abs((rate.perMs ?? 0) - 0.1) < 0.005, `${rate.perMs}`);
});

test("it says nothing of less than two seconds, nor of a standstill", () => {
  const rate = new RecentRate();
  assert.is(rate.perMs, undefined);
  for (let at = 0; at < 2000; at += 250) rate.note(at, at);
  assert.is(rate.perMs, undefined);
  for (let at = 2000; at <= 20_000; at += 250) rate.note(at, 2000);
  assert.is(rate.perMs, undefined);
});

test.run();
