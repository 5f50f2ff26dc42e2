/** Chats whose message waits for something of their own: which of them are written ahead, and which are set aside. */
import { HeldChats } from "../../lib/broadcast/held_chats.ts";
import { assert, suite } from "../harness.ts";

const test = suite("HeldChats");

/** Chats that wait for long, and that the ledger has as unsent. */
function setAside(...chats: readonly number[]): HeldChats {
  const held = new HeldChats(() => Infinity);
  for (const chatId of chats) held.hold(chatId, false);
  held.written(held.split(0));
  return held;
}

test("one that is set aside waits until the ledger has it ahead, however many others ask", async () => {
  const held = setAside(1, 2, 3);
  const asked = [1, 2, 3].map((chatId) => held.writtenAhead(chatId));
  for (const [index, written] of asked.entries()) {
    assert.is(held.isAsking, true);
    assert.is(held.unsent, 3 - index, "what is about to be sent to may have the message");
    const split = held.split(1);
    assert.equal(split, { ahead: [index + 1], unsent: [1, 2, 3].slice(index + 1) });
    held.written(split);
    await written;
  }
  assert.is(held.isAsking, false);
  for (const chatId of [1, 2, 3]) assert.is(held.writtenAhead(chatId), undefined, "it need not ask again");
});

test("one that has to wait once more is set aside again", () => {
  const held = setAside(1);
  void held.writtenAhead(1);
  held.written(held.split(1));
  held.hold(1, false);
  assert.equal(held.split(0), { ahead: [], unsent: [1] });
  assert.is.not(held.writtenAhead(1), undefined);
  held.pass(1);
  assert.equal([held.unsent, held.chats.size], [0, 0]);
});

test.run();
