/** A second bot uses the first one's table: its own id shows that, or only the chats that do not know it. */
import { DeleteItemCommand } from "@aws-sdk/client-dynamodb";
import { ConfigError } from "../../mod.ts";
import { assert } from "../harness.ts";
import { botOn, type Scene as Fixture, startServer } from "../support/bot.ts";
import { failureOf, TableName } from "../support/storage.ts";
import { withSignalCheck } from "./signal_check.ts";
import type { Scenario } from "./stranger_scenarios.ts";

const secondToken = "2000000:AAlocal-second-token_00000000000000";

/** How many chats the table has as active ones. */
async function activeIn({ table }: Fixture): Promise<number> {
  return (await table.storage().getStatistics()).activeChats;
}

/** A second bot on the first one's table does not start, and says why. */
const foreignTable: Scenario = async (size) => {
  await withSignalCheck(size, async (check) => {
    const { gate, logs } = check.fixture;
    const server = await startServer({ token: secondToken });
    try {
      const second = botOn(server, gate.endpoint, { logger: logs });
      const error = await failureOf(second.initialize());
      assert.instance(error, ConfigError);
      assert.match(
        error.message,
        `The table "${TableName}" serves the bot 1000000, and this is the bot 2000000.`,
      );
      assert.instance(await failureOf(second.broadcast("hello")), ConfigError);
      assert.is(server.countCalls("sendMessage"), 0);
      await second.stopBot();
      assert.is(await activeIn(check.fixture), size.people);
      const sent = check.send();
      await check.arrived(sent);
      check.assertOnce(sent);
    } finally {
      await server.close();
    }
  });
  return "a ConfigError at its start; nobody is written to, nobody deactivated";
};

/**
 * No chat of the table has ever started this bot: the first bot's item is missing from the table, or the new token belongs to
 * the same bot. The mass deactivation guard halts it before any chat is deactivated; told to proceed, it goes on.
 */
const chatsUnknown =
  (why: "the item is missing" | "the ids are equal", broadcastId?: string): Scenario => async (size) => {
    return await withSignalCheck(size, async (check) => {
      const { gate, table, logs } = check.fixture;
      const Key = { chat_id: { N: "0" } };
      const isMissing = why === "the item is missing";
      if (isMissing) await table.direct.send(new DeleteItemCommand({ TableName, Key }));
      const server = await startServer({
        clock: check.clock,
        token: isMissing ? secondToken : check.fixture.server.token,
      });
      for (const { chatId: id } of check.people) server.user({ id });
      const second = botOn(server, gate.endpoint, {
        logger: logs,
        clock: check.clock,
        messagesPerSecond: 1000,
      });
      try {
        const report = await second.broadcast("hello", { broadcastId });
        assert.match(report.stopped ?? "", "Nobody was deactivated");
        assert.equal([report.sent, report.deactivated], [0, 0]);
        assert.is(await activeIn(check.fixture), size.people, "somebody was deactivated");
        const calls = server.countCalls("sendMessage");
        assert.ok(calls <= Math.min(size.people, 50 + 64), `${calls} calls`);
        const next = await second.broadcast("hello", { broadcastId, massDeactivation: "proceed" });
        assert.is(next.deactivated, broadcastId === undefined ? size.people : next.deactivated);
        assert.is(
          await activeIn(check.fixture),
          broadcastId === undefined ? 0 : size.people - next.deactivated,
        );
        return `halted after ${calls} calls, nobody deactivated; told to proceed it goes on (${next.deactivated})`;
      } finally {
        await second.stopBot();
        await server.close();
      }
    }, { hasLedger: broadcastId !== undefined });
  };

export const tableScenarios: Readonly<Record<string, Scenario>> = {
  "a second bot on the first one's table": foreignTable,
  "a new bot on another's table, whose item is missing": chatsUnknown("the item is missing"),
  "a new bot on another's table, with the same id": chatsUnknown("the ids are equal"),
  "a new bot on another's table, with a broadcastId": chatsUnknown("the ids are equal", "unopened"),
};
