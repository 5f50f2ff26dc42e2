/** The tables of Telegram's refusals: what is in them, what only resembles it, and that they keep apart. */
import fc from "fast-check";
import { isPhotoRefused, type Outcome, outcomeOf } from "../../lib/telegram/outcome.ts";
import {
  botRefusals,
  goneChats,
  goneInCapitals,
  messageFaults,
  refusedByChat,
  refusedPhotos,
  unopenedChats,
  unreachableChats,
} from "../../lib/telegram/refusals.ts";
import { assert, suite } from "../harness.ts";

const test = suite("refusals");

function answered(error_code: number, description: string): Outcome {
  return outcomeOf({ ok: false, error_code, description });
}

/** A refusal as an entry of a table describes it. */
function filled(entry: string, anything = "what follows"): string {
  return entry.replaceAll("#", "17").replaceAll("*", anything);
}

interface Table {
  readonly name: string;
  readonly entries: readonly string[];
  readonly code: 400 | 403;
  readonly outcome: Outcome;
}

const gones: Table[] = (["blocked", "left", "gone"] as const).map((reason) => (
  { name: reason, entries: goneChats[reason], code: 403, outcome: { kind: "gone", reason } }
));
const unopened: Outcome = { kind: "gone", reason: "gone", isUnopened: true };
const tables: readonly Table[] = [
  { name: "message", entries: messageFaults, code: 400, outcome: { kind: "badMessage" } },
  { name: "chat", entries: refusedByChat, code: 400, outcome: { kind: "refused" } },
  { name: "unreachable", entries: unreachableChats, code: 400, outcome: { kind: "unreachable" } },
  { name: "unreachable, 403", entries: unreachableChats, code: 403, outcome: { kind: "unreachable" } },
  { name: "bot", entries: botRefusals, code: 400, outcome: { kind: "botBlocked" } },
  ...gones,
  { name: "unopened", entries: unopenedChats, code: 403, outcome: unopened },
  ...(["blocked", "gone"] as const).flatMap((reason) =>
    ([400, 403] as const).map((code): Table => (
      { name: `${reason}, ${code}`, entries: goneInCapitals[reason], code, outcome: { kind: "gone", reason } }
    ))
  ),
];
const everyEntry = [...new Set(tables.flatMap(({ entries }) => entries))];

for (const { name, entries, code, outcome } of tables) {
  const prefix = code === 400 ? "Bad Request: " : "Forbidden: ";

  test(`outcomeOf() every entry of the table "${name}", whatever stands for its *`, () => {
    for (const entry of entries) {
      assert.equal(answered(code, prefix + filled(entry)), outcome, entry);
      if (!entry.includes("*")) continue;
      for (const other of everyEntry) {
        assert.equal(answered(code, prefix + filled(entry, filled(other))), outcome, entry);
      }
    }
  });

  test(`outcomeOf() what only resembles an entry of the table "${name}" is none`, () => {
    const strange = { kind: code === 400 ? "unclear" : "refused" };
    for (const entry of entries) {
      const words = filled(entry);
      // Longer, where another entry leaves the end open, it may be that one.
      const isOpen = everyEntry.some((other) =>
        other.endsWith("*") && words.startsWith(filled(other.slice(0, -1)))
      );
      assert.equal(answered(code, `${prefix}Odd group: ${words}`), strange, entry);
      assert.equal(answered(code, `${prefix}${words.slice(1)}`), strange, entry);
      if (!isOpen) assert.equal(answered(code, `${prefix}${words} (Odd group)`), strange, entry);
    }
  });
}

test("no entry stands in two tables, nor twice in one", () => {
  const groups = [messageFaults, refusedByChat, unreachableChats, botRefusals, unopenedChats];
  const all = [...groups, ...Object.values(goneChats), ...Object.values(goneInCapitals)].flat();
  assert.equal(all.filter((entry, index) => all.indexOf(entry) !== index), []);
});

test("outcomeOf() words around an entry never make it the message's fault", () => {
  const words = fc.constantFrom(...everyEntry.map((entry) => filled(entry)));
  const around = fc.string({ minLength: 1 }).filter((text) => /[^\s:]/.test(text));
  fc.assert(fc.property(words, around, (text, before) => {
    assert.is.not(answered(400, `Bad Request: ${before}${text}`).kind, "message");
    assert.is.not(answered(403, `Forbidden: ${before}${text}`).kind, "message");
  }));
});

test("isPhotoRefused() is so of chats that take no photos, and of no other refusal", () => {
  for (const words of refusedPhotos) {
    assert.ok(isPhotoRefused({ error_code: 400, description: `Bad Request: ${words}` }));
    assert.ok(refusedByChat.includes(words));
  }
  const others = [
    "not enough rights to send text messages to the chat",
    "CHAT_SEND_PLAIN_FORBIDDEN",
    "MEDIA_EMPTY",
  ];
  for (const words of others) {
    assert.not(isPhotoRefused({ error_code: 400, description: `Bad Request: ${words}` }));
  }
  for (const error of [new Error(refusedPhotos[0]), undefined, "CHAT_SEND_MEDIA_FORBIDDEN"]) {
    assert.not(isPhotoRefused(error));
  }
});

test.run();
