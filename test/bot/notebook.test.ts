/** A cell of a notebook that is run again leaves no second poller behind; elsewhere there may be several. */
import { assert, suite } from "../harness.ts";
import { runScript } from "../support/script.ts";

const test = suite("one poller", {}, 60_000);

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

test.run();
