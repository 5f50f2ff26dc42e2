/** A second bot on the first one's table, by its own id or by a mistake that no id shows. */
import { DeleteItemCommand } from "@aws-sdk/client-dynamodb";
import { ConfigError } from "../../mod.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { assert } from "../harness.ts";
import { botOn, type Scene } from "../support/bot.ts";
import { failureOf, TableName } from "../support/storage.ts";
import { onStage } from "./stage.ts";
import type { Row } from "./stranger_rows.ts";

const secondToken = "2000000:AAlocal-second-token_00000000000000";

/** How many chats the table has as active ones. */
async function activeIn({ table }: Scene): Promise<number> {
  return (await table.storage().getStatistics()).activeChats;
}

/** A second bot on the first one's table does not start, and says why. */
const foreignTable: Row = async (size) => {
  await onStage(size, async (stage) => {
    const { gate, logs } = stage.scene;
    const server = await startBotApiServer({ token: secondToken });
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
      assert.is(await activeIn(stage.scene), size.people);
      const sent = stage.send();
      await stage.arrived(sent);
      stage.assertOnce(sent);
    } finally {
      await server.close();
    }
  });
  return "a ConfigError at its start; nobody is written to, nobody deactivated";
};

/**
 * A bot that nobody of the table has ever started: the table's item of the first bot is missing, or the new token is of
 * the same bot. The guard halts it before anybody is deactivated, and goes on where it is told to.
 */
const unopened =
  (why: "the item is missing" | "the ids are equal", broadcastId?: string): Row => async (size) => {
    let line = "";
    await onStage(size, async (stage) => {
      const { gate, table, logs } = stage.scene;
      const Key = { chat_id: { N: "0" } };
      const isMissing = why === "the item is missing";
      if (isMissing) await table.direct.send(new DeleteItemCommand({ TableName, Key }));
      const server = await startBotApiServer({
        clock: stage.clock,
        token: isMissing ? secondToken : stage.scene.server.token,
      });
      for (const { chatId: id } of stage.people) server.user({ id });
      const second = botOn(server, gate.endpoint, {
        logger: logs,
        clock: stage.clock,
        messagesPerSecond: 1000,
      });
      try {
        const report = await second.broadcast("hello", { broadcastId });
        assert.match(report.stopped ?? "", "Nobody was deactivated");
        assert.equal([report.sent, report.deactivated], [0, 0]);
        assert.is(await activeIn(stage.scene), size.people, "somebody was deactivated");
        const calls = server.countCalls("sendMessage");
        assert.ok(calls <= Math.min(size.people, 50 + 64), `${calls} calls`);
        const next = await second.broadcast("hello", { broadcastId, massDeactivation: "proceed" });
        assert.is(next.deactivated, broadcastId === undefined ? size.people : next.deactivated);
        assert.is(
          await activeIn(stage.scene),
          broadcastId === undefined ? 0 : size.people - next.deactivated,
        );
        line =
          `halted after ${calls} calls, nobody deactivated; told to proceed it goes on (${next.deactivated})`;
      } finally {
        await second.stopBot();
        await server.close();
      }
    }, { hasLedger: broadcastId !== undefined });
    return line;
  };

export const tableRows: Readonly<Record<string, Row>> = {
  "a second bot on the first one's table": foreignTable,
  "a new bot on another's table, whose item is missing": unopened("the item is missing"),
  "a new bot on another's table, with the same id": unopened("the ids are equal"),
  "a new bot on another's table, with a broadcastId": unopened("the ids are equal", "unopened"),
};
