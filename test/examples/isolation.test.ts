/**
 * The sandbox, the playground and the notebook's rehearsal leave other machines alone, whatever the caller's environment
 * and `.env` name. They are watched, and run in a network that has this machine only, where the system can make one.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { assert, suite } from "../harness.ts";
import { root } from "../support/script.ts";
import { runWatched, type WatchedScript } from "../support/watched_run.ts";

const test = suite("nothing leaves this machine", {}, 120_000);

const network = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"] as const;
const hasNetwork = spawnSync(network[0], [...network.slice(1), "true"]).status === 0;
if (!hasNetwork) console.log("watched only: no network of its own can be made here (unshare -rn, with ip)");

interface Program extends WatchedScript {
  readonly name: string;
  /** What its output holds when it has done its work. */
  readonly done: RegExp;
}

const programs: readonly Program[] = [
  {
    name: "the sandbox",
    path: "examples/sandbox.ts",
    args: (folder) => ["--data", folder, join(root, "examples/test_persistence.ts"), "--no-send"],
    loader: "tsx",
    done: /Loaded 0 active chats from DynamoDB/,
  },
  {
    name: "the playground",
    path: "test/support/playground_visit.ts",
    loader: "tsx",
    done: /The visitor has a signal/,
  },
  {
    name: "the notebook's rehearsal",
    path: "test/support/rehearsal_visit.ts",
    loader: "none",
    hasToken: false, // With one in the environment there is no rehearsal.
    done: /Sent to 5\d of 55 chats/,
  },
];

test("the watch sees what a bot wants to reach that is not in the sandbox", async () => {
  const script = { path: "examples/test_persistence.ts", args: () => ["--no-send"], loader: "none" } as const;
  const { hasSucceeded, reached } = await runWatched(script);
  assert.not(hasSucceeded);
  assert.match(reached.join("\n"), /elsewhere\.invalid/);
});

for (const { name, done, ...script } of programs) {
  test(`${name} works, and tries to reach nothing`, async () => {
    const { hasSucceeded, output, reached, hasSpooled } = await runWatched(script, hasNetwork ? network : []);
    assert.ok(hasSucceeded, output);
    assert.match(output, done);
    assert.equal(reached, []);
    assert.not(hasSpooled, "the caller's spool file is left alone");
  });
}

test.run();
