/** A table of chats and the commands that the tests of the local DynamoDB and its gate send. */
import {
  type AttributeValue,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { failureOf, TableName } from "./storage.ts";

export { TableName };

/** A client that asks once, so that requests can be counted. */
export function clientOf(endpoint: string, maxAttempts: number = 1): DynamoDBClient {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  return new DynamoDBClient({ endpoint, region: "us-east-1", credentials, maxAttempts });
}

export const createTable = (name: string = TableName): CreateTableCommand =>
  new CreateTableCommand({
    TableName: name,
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
  });
export const Key: Record<string, AttributeValue> = { chat_id: { N: "1" } };
export const put = (): PutItemCommand =>
  new PutItemCommand({ TableName, Item: { ...Key, message_count: { N: "0" } } });
export const get = (): GetItemCommand => new GetItemCommand({ TableName, Key, ConsistentRead: true });
export const add = (): UpdateItemCommand =>
  new UpdateItemCommand({
    TableName,
    Key,
    UpdateExpression: "ADD message_count :one",
    ExpressionAttributeValues: { ":one": { N: "1" } },
  });

export async function createActiveTable(client: DynamoDBClient): Promise<void> {
  await client.send(createTable());
  while ((await client.send(new DescribeTableCommand({ TableName }))).Table?.TableStatus !== "ACTIVE");
}

export interface Thrown extends Error {
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The error that it rejects with. */
export const failure = (promise: Promise<unknown>): Promise<Thrown> => failureOf(promise);
