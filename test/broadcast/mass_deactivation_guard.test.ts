/** When chats are believed to be gone, and when that is more likely the wrong bot. */
import { MassDeactivationGuard } from "../../lib/broadcast/mass_deactivation_guard.ts";
import { assert, suite } from "../harness.ts";

const test = suite("MassDeactivationGuard");

interface Played {
  readonly written: number[];
  readonly revoked: number[];
  readonly halts: string[];
  readonly verdicts: string[];
}

/** Plays outcomes to a guard: `gone`, `unopened` or `there`, each of the next person; groups are named `group`. */
async function play(people: number, outcomes: readonly string[], isOff = false): Promise<Played> {
  const played: Played = { written: [], revoked: [], halts: [], verdicts: [] };
  const guard = new MassDeactivationGuard({
    people: () => people,
    halt: (reason) => void played.halts.push(reason),
    isOff,
  });
  for (const [index, outcome] of outcomes.entries()) {
    const chatId = outcome === "group" ? -1 - index : 1 + index;
    if (outcome === "there") guard.notePresent(chatId);
    else {
      played.verdicts.push(guard.noteGone({
        chatId,
        isUnopened: outcome === "unopened",
        write: () => Promise.resolve(void played.written.push(chatId)),
        revoke: () => played.revoked.push(chatId),
      }));
    }
  }
  await guard.close();
  return played;
}

const times = (count: number, outcome: string): string[] => Array.from({ length: count }, () => outcome);

test("most of the first fifty people gone: it halts, and nobody is written to be gone", async () => {
  const { written, revoked, halts, verdicts } = await play(1000, [
    ...times(24, "there"),
    ...times(26, "gone"),
  ]);
  assert.equal([written, revoked.length, halts.length], [[], 25, 1]);
  assert.is(verdicts.at(-1), "halted");
  assert.match(halts[0] ?? "", /of the first 50 people 26 cannot be reached.*massDeactivation: "proceed"/);
});

test("half of them, or fewer: they are believed, those who waited too", async () => {
  const { written, halts, verdicts } = await play(1000, [
    ...times(25, "gone"),
    ...times(25, "there"),
    "gone",
  ]);
  assert.equal([written.length, halts, verdicts.at(-1)], [25, [], "believed"]);
});

test("a small list is looked at whole: a few who are gone prove nothing, three who never opened the bot do", async () => {
  assert.equal((await play(4, times(4, "gone"))).halts, []);
  assert.equal((await play(9, times(9, "gone"))).halts, []);
  assert.is((await play(10, times(10, "gone"))).halts.length, 1);
  assert.is((await play(4, [...times(3, "unopened"), "there"])).halts.length, 1);
  assert.equal((await play(4, [...times(2, "unopened"), ...times(2, "there")])).halts, []);
});

test("groups decide nothing, and wait with the others", async () => {
  const { written, halts } = await play(50, [...times(60, "group"), ...times(50, "there")]);
  assert.equal([written.length, halts], [60, []]);
});

test("a broadcast that ends before is decided upon by what there was", async () => {
  assert.equal((await play(1000, times(5, "gone"))).written.length, 5);
  assert.is((await play(1000, times(20, "gone"))).halts.length, 1);
});

test("where it is off, everyone is believed at once", async () => {
  const { verdicts, halts } = await play(1000, times(60, "gone"), true);
  assert.equal([new Set(verdicts), halts], [new Set(["believed"]), []]);
});

test.run();
