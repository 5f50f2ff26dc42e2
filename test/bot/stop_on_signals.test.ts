/** A process that is told to stop: `bot.stopOnSignals()`, with real signals. */
import { startBotApiServer } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { type Running, startScript } from "../support/script.ts";

const test = suite("stopOnSignals()", {}, 120_000);

async function withProgram(
  mode: string,
  body: (program: Running, server: Awaited<ReturnType<typeof startBotApiServer>>) => Promise<void>,
): Promise<void> {
  await using server = await startBotApiServer();
  const env = {
    TELEGRAM_BOT_TOKEN: server.token,
    TELEGRAM_API_ROOT: server.apiRoot,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  await body(startScript(["test/support/stopping_program.ts", mode], env), server);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} stops the bot, tells the program, and the process ends by itself`, () =>
    withProgram("plain", async (program, server) => {
      await program.printed("hears");
      const ada = server.user();
      ada.say("/start");
      await ada.received("Welcome!");
      program.kill(signal);
      const { status, output } = await program.ended;
      assert.is(status, 0, output);
      assert.match(output, /hears\nThe bot stops, once what is being sent has left\..*\ntold\nended\n$/);
      assert.is(server.pendingUpdates, 0, "the last updates were not confirmed");
    }));
}

test("a second signal ends the process at once", () =>
  withProgram("busy", async (program, server) => {
    await program.printed("hears");
    const ada = server.user();
    ada.say("/start");
    await ada.received("Welcome!");
    program.kill("SIGTERM");
    await program.printed("told");
    program.kill("SIGTERM");
    const { status, output } = await program.ended;
    assert.is(status, 130, output);
  }));

test("a program that has nothing to do ends all the same", () =>
  withProgram("idle", async (program) => {
    const { status, output } = await program.ended;
    assert.is(status, 0, output);
    assert.match(output, /ended\n$/);
  }));

test.run();
