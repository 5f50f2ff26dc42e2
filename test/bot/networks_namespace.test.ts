/**
 * A bot in a network of its own, where the system has such (`unshare`, as root): two addresses of which one is dead, 400 ms
 * to Telegram, packets that are lost, and a link that goes down in the middle of a broadcast. LINK_DOWN_MS has its default, ten seconds.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { unsentCode } from "../../lib/util/http/connections.ts";
import { assert, suite } from "../harness.ts";
import { commandFor } from "../support/runtime.ts";
import { removeSync } from "../support/leaks.ts";

const test = suite("networks of their own", {}, 240_000);

const script = fileURLToPath(new URL("../support/namespace_play.ts", import.meta.url));
const downMs = process.env["LINK_DOWN_MS"] ?? "10000";
const [enter, args] = ["unshare", ["-rnm", "sh", "-c"]] as const;
const hasNamespaces = spawnSync(enter, [...args, "ip link set lo up && python3 --version"]).status === 0;

/** Plays in a network where `localhost` has two addresses; gives what the play printed. */
async function play<T>(...name: readonly string[]): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "hosts-"));
  const hosts = join(folder, "hosts");
  writeFileSync(hosts, "::1 localhost\n127.0.0.1 localhost\n");
  const begin = 'ip link set lo up && mount --bind "$0" /etc/hosts && exec "$@"';
  try {
    const printed = await new Promise<string>((resolve, reject) => {
      execFile(
        enter,
        [...args, begin, hosts, ...commandFor(script, "-A"), ...name],
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(new Error(`${error.message}\n${stderr}`));
        },
      );
    });
    return JSON.parse(printed.trim().split("\n").at(-1) ?? "") as T;
  } finally {
    removeSync(folder, { recursive: true });
  }
}

interface Played {
  readonly sent: number;
  readonly unknown: number;
  readonly failed: number;
  readonly skipped: number;
  /** How often the person has the message who has it most often, and how many have it. */
  readonly most: number;
  readonly reached: number;
  readonly warnings: readonly string[];
  /** The code of what a request to an address that takes no connection ends with. */
  readonly refusal: string;
}

if (hasNamespaces) {
  test("a name with two addresses of which one is dead, 400 ms away: the bot starts, hears, and sends", async () => {
    const { sent, unknown, warnings, refusal } = await play<Played>("addresses");
    assert.equal([sent, unknown, warnings], [10, 0, []]);
    assert.is(refusal, unsentCode, "a request to the dead address alone was surely not sent");
  });

  test("of all packets 5 % are lost: everybody is registered, and has the signal once", async () => {
    const { sent, unknown, failed, skipped, most, reached } = await play<Played>("loss");
    assert.equal([sent + unknown, failed, skipped, most], [60, 0, 0, 1]);
    assert.ok(unknown <= 3 && reached >= sent, `${unknown} are in doubt, and ${reached} have it`);
  });

  test("the link is down in the middle of a broadcast with an id: everybody is accounted for, nobody has it twice", async () => {
    const { sent, unknown, failed, skipped, most, reached, warnings } = await play<Played>("link", downMs);
    assert.equal([sent + unknown, failed, skipped, most], [60, 0, 0, 1]);
    assert.ok(unknown <= 10, `${unknown} are in doubt`);
    assert.ok(reached >= sent, `${reached} have it, of ${sent}`);
    const kinds = ["table of chats cannot be read", "cannot be polled", "cannot be reached ("];
    for (const kind of kinds) assert.ok(warnings.filter((line) => line.includes(kind)).length <= 1, kind);
  });
} else {
  test("not run: no network of its own can be made here (unshare -rnm with ip and python3)", () => {
    console.log("not run: no network of its own can be made here (unshare -rnm with ip and python3)");
  });
}

test.run();
