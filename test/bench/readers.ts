/** Two ways to load the active chats: ours, and the same scan with nothing around it. */
import { type AttributeValue, ScanCommand } from "@aws-sdk/client-dynamodb";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { clientAt } from "../support/client.ts";

export type ReaderName = "ours" | "bare scan";

export interface Reader {
  load(): Promise<Set<number>>;
  close(): void;
}

export const readers: Readonly<Record<ReaderName, (endpoint: string, tableName: string) => Reader>> = {
  "ours": ours,
  "bare scan": bareScan,
};

function ours(endpoint: string, tableName: string): Reader {
  const client = clientAt(endpoint);
  const storage = new TelegramDynamoDBStorage({ client, tableName });
  return { load: () => storage.loadActiveChats(), close: () => client.destroy() };
}

const segments = 4;

/** Our client, so also without the SDK's logger; no time limit, no queue, no explanation of errors. */
function bareScan(endpoint: string, TableName: string): Reader {
  const client = clientAt(endpoint);
  const loadSegment = async (Segment: number, active: Set<number>): Promise<void> => {
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new ScanCommand({ TableName, Segment, TotalSegments: segments, ExclusiveStartKey, ...activeOnly }),
      );
      for (const item of Items) active.add(Number(item["chat_id"]?.N));
      ExclusiveStartKey = LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
  };
  const load = async (): Promise<Set<number>> => {
    const active = new Set<number>();
    await Promise.all(Array.from({ length: segments }, (_, segment) => loadSegment(segment, active)));
    return active;
  };
  return { load, close: () => client.destroy() };
}

const activeOnly = {
  FilterExpression: "is_active = :true",
  ProjectionExpression: "chat_id",
  ExpressionAttributeValues: { ":true": { BOOL: true } },
  ConsistentRead: true,
};
