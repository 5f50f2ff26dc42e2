/**
 * A cell of a notebook that is run again leaves no second poller behind, and one that is interrupted ends its broadcast;
 * other programs may have several pollers, and end.
 */
import { assert, suite } from "../harness.ts";
import { type Ended, runScript, startScript } from "../support/script.ts";

const test = suite("in a notebook", {}, 60_000);

interface Outcome {
  /** One of another token, and three of the same, one after another; the last two at a time. */
  readonly arePolling: readonly boolean[];
  readonly starts: readonly ("fulfilled" | "rejected")[];
  readonly takenOver: number;
}

async function outcomeIn(place: "notebook" | "program"): Promise<Outcome> {
  const { status, output } = await runScript(["test/support/notebook_host.ts", place], {}, "-P=test");
  assert.is(status, 0, output);
  return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as Outcome;
}

test("in a notebook the bot that is started last is the only one of its token", async () => {
  assert.equal(await outcomeIn("notebook"), {
    arePolling: [true, false, false, true],
    starts: ["rejected", "fulfilled"],
    takenOver: 2,
  });
});

test("in any other program all of them go on", async () => {
  assert.equal(await outcomeIn("program"), {
    arePolling: [true, true, true, true],
    starts: ["fulfilled", "fulfilled"],
    takenOver: 0,
  });
});

test("in a notebook a strategy whose cell is run again takes the place of the one before; elsewhere both run", async () => {
  const play = async (place: "notebook" | "program"): Promise<unknown> => {
    const { status, output } = await runScript(["test/support/strategy_cell.ts", place], {}, "-P=test");
    assert.is(status, 0, output);
    return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "");
  };
  const told = "Mine runs already in this notebook: that run is stopped, and this one takes its place.";
  assert.equal(await play("notebook"), { going: [false, true, true], told: [told] });
  assert.equal(await play("program"), { going: [true, true, true], told: [] });
});

/** Its end, after it was interrupted in the middle of what it sends. */
async function interrupted(place: "notebook" | "program", cell: "broadcast" | "live"): Promise<Ended> {
  const script = startScript(["test/support/interrupted_cell.ts", place, cell], {}, "-P=test");
  await script.printed("some are sent");
  script.kill("SIGINT");
  return await script.ended;
}

async function outcomeOf(cell: "broadcast" | "live"): Promise<Readonly<Record<string, unknown>>> {
  const { status, output } = await interrupted("notebook", cell);
  assert.is(status, 0, output);
  return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "");
}

test("an interrupt ends the cell and its broadcast; the bot goes on, and the next interrupt is not ours", async () => {
  const { ended, next, others, calls } = await outcomeOf("broadcast");
  assert.match(
    String(ended),
    /^Sent to [1-5]?\d of 60 chats in .* skipped\. Stopped: it was interrupted\. Call .* for the others\.$/,
  );
  assert.match(String(next), /^Sent to 0 of 0 chats/);
  assert.equal(
    { others, calls },
    { others: 60, calls: 60 },
    "the others get it, once",
  );
});

test("an interrupt ends a strategy's signal, which is logged in one line, and not tried again", async () => {
  const { told, calls, listening } = await outcomeOf("live");
  const [line = "", ...more] = told as string[];
  assert.equal(more, []);
  assert.match(
    line,
    /^LONG X at .*\. Sent to [1-5]?\d of 60 chats in .* Stopped: it was interrupted\. Its cell/,
  );
  assert.ok(Number(calls) < 60);
  assert.is(listening, 1);
});

test("any other program ends when it is interrupted", async () => {
  const { status, output } = await interrupted("program", "broadcast");
  assert.is.not(status, 0);
  assert.not.match(output, /"ended"/);
});

test.run();
