/** The ledger's table. */
import type { TableWords } from "./client.ts";
import type { Schema } from "./table.ts";

const setting = "TELEGRAM_BROADCASTS_TABLE (or broadcastsTableName)";

export const ledgerSchema: Schema = {
  AttributeDefinitions: [
    { AttributeName: "broadcast_id", AttributeType: "S" },
    { AttributeName: "record", AttributeType: "S" },
    { AttributeName: "open", AttributeType: "S" },
  ],
  KeySchema: [
    { AttributeName: "broadcast_id", KeyType: "HASH" },
    { AttributeName: "record", KeyType: "RANGE" },
  ],
  GlobalSecondaryIndexes: [{
    IndexName: "open",
    KeySchema: [{ AttributeName: "open", KeyType: "HASH" }],
    Projection: { ProjectionType: "KEYS_ONLY" },
  }],
  need: 'broadcasts need broadcast_id (S, HASH) + record (S, RANGE), and an index "open" on open (S, HASH)',
  setting,
};

/** What errors say of the table. */
export function ledgerWords(tableName: string): TableWords {
  const advice = `Check ${setting} and AWS_REGION: the first broadcast with a broadcastId creates the table.`;
  return { advice, resources: { Query: `${tableName}/index/*` } };
}
