/** The progress display, on a screen that keeps what is written to it. */
import { type Screen, showProgress } from "../../cli/progress.ts";
import type { BroadcastProgress } from "../../mod.ts";
import { assert, suite } from "../harness.ts";

class KeptScreen implements Screen {
  readonly isTTY: boolean;
  readonly columns = 100;
  text = "";

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

function at(elapsedMs: number, done: number, more: Partial<BroadcastProgress> = {}): BroadcastProgress {
  const recipients = 3000;
  const remainingMs = 100_000 - elapsedMs;
  const others = { deactivated: 0, skipped: 0, failed: 0, unknown: 0, willExpire: 0 };
  const waits = { isPaused: false, isWaiting: false, waitingMs: 0 };
  return { recipients, done, sent: done, elapsedMs, remainingMs, ...others, ...waits, ...more };
}

/** What a terminal shows of it: each line as it was last. */
function shown(text: string): string[] {
  // deno-lint-ignore no-control-regex -- how a terminal's cursor is moved
  const plain = text.replace(/\u001b\[[0-9;]*G/g, "\r").replace(/\u001b\[[0-9]*K/g, "");
  return plain.split("\n").map((line) => line.slice(line.lastIndexOf("\r") + 1));
}

const test = suite("showProgress()");

test("says nothing of what is over within two seconds", () => {
  for (const isTTY of [true, false]) {
    const screen = new KeptScreen(isTTY);
    using show = showProgress("Sending", screen);
    for (const progress of [at(0, 0, { recipients: 0 }), at(0, 0), at(1990, 2000), at(2500, 3000)]) {
      show(progress);
    }
    assert.is(screen.text, "");
  }
});

test("elsewhere than on a terminal it is a line at the start, at each tenth, and at the end", () => {
  const screen = new KeptScreen(false);
  using show = showProgress("Sending", screen);
  for (let done = 0; done <= 3000; done++) show(at(done * 1000 / 30, done));
  show(at(100_250, 3000));
  const lines = screen.text.split("\n");
  assert.is(lines[0], "Sending: 60 of 3000 (2%), about 98 s left");
  assert.is(lines[1], "Sending: 300 of 3000 (10%), about 90 s left");
  assert.equal(lines.slice(-2), ["Sending: 3000 of 3000 sent in 100 s", ""]);
  assert.is(lines.length, 12);
});

test("its lines are two seconds apart, but for the last", () => {
  const screen = new KeptScreen(false);
  using show = showProgress("Sending", screen);
  for (let done = 0; done <= 3000; done += 100) show(at(done, done));
  const counts = screen.text.match(/\d+ of/g);
  assert.equal(counts, ["2000 of", "3000 of"]);
});

test("on a terminal it is a bar that ends with its line, and leaves the cursor alone", () => {
  const screen = new KeptScreen(true);
  using show = showProgress("Sending", screen);
  show(at(2000, 750));
  assert.equal(shown(screen.text), ["Sending ██████░░░░░░░░░░░░░░░░░░ 25% | 750/3000 | about 98 s left"]);
  show(at(3000, 3000));
  show(at(3250, 3000));
  assert.equal(shown(screen.text), [
    "Sending ████████████████████████ 100% | 3000 of 3000 sent in 3 s",
    "",
  ]);
  for (const sequence of ["\u001b[?25l", "\u001b[?7l", "\u001b7", "\u001b8"]) {
    assert.not.ok(screen.text.includes(sequence), JSON.stringify(sequence));
  }
});

test("at its end it shows what was sent, and what became of the others", () => {
  const end = at(3000, 3000, { sent: 666, deactivated: 1, skipped: 2331, failed: 1, unknown: 1 });
  const words = "666 of 3000 sent, 1 deactivated, 2331 skipped, 1 failed, 1 unknown in 3 s";
  for (const isTTY of [true, false]) {
    const screen = new KeptScreen(isTTY);
    using show = showProgress("Sending", screen);
    for (const progress of [at(2000, 750, { sent: 660 }), end]) show(progress);
    const line = shown(screen.text).at(-2);
    assert.is(line, isTTY ? `Sending █████░░░░░░░░░░░░░░░░░░░ 22% | ${words}` : `Sending: ${words}`);
  }
});

test("it tells what a broadcast waits for, and how long it may take", () => {
  const notes: [Partial<BroadcastProgress>, string][] = [
    [{ isPaused: true, isWaiting: true }, ", paused"],
    [{ isWaiting: true, waitingMs: 18_000 }, ", Telegram asks to wait for 18 s"],
    [{ remainingMs: undefined }, ""],
    [{ remainingMs: 200_000 }, ", about 3 min left"],
    [{ remainingMs: 8_000_000 }, ", about 2 h left"],
  ];
  for (const [more, note] of notes) {
    const screen = new KeptScreen(false);
    using show = showProgress("Signal", screen);
    show(at(2000, 30, more));
    assert.is(screen.text, `Signal: 30 of 3000 (1%)${note}\n`);
  }
});

test("a broadcast that fails leaves no bar and no timer behind", () => {
  const screen = new KeptScreen(true);
  {
    using show = showProgress("Sending", screen);
    show(at(2000, 30));
  }
  assert.match(screen.text, /\n$/);
  // A timer of its would keep this process from ending, which the runner reports.
});

test("whoever logs meanwhile has a line without a bar in it", () => {
  const screen = new KeptScreen(true);
  using show = showProgress("Sending", screen);
  const { error } = console;
  console.error = (message: string) => screen.write(`${message}\n`);
  try {
    show.logger.info("first");
    assert.is(screen.text, "first\n");
    show(at(2000, 30));
    show.logger.info("second");
  } finally {
    console.error = error;
  }
  assert.ok(screen.text.endsWith("\r\u001b[Ksecond\n"), JSON.stringify(screen.text));
});

test.run();
