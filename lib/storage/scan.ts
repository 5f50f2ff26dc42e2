/** Reading the whole table: a page after another, or all segments of it at once. */
import {
  type AttributeValue,
  ScanCommand,
  type ScanCommandInput,
  type ScanCommandOutput,
} from "@aws-sdk/client-dynamodb";
import type { Table } from "./client.ts";

type Scan = Omit<ScanCommandInput, "TableName">;

/** A million chats are 0.2 GB: more segments would buy no time. */
const segments = 4;

/** All pages, one after another. */
export async function* pages(
  { tableName, send }: Table,
  input: Scan,
  signal?: AbortSignal,
): AsyncGenerator<ScanCommandOutput> {
  let from: Record<string, AttributeValue> | undefined;
  do {
    const command = new ScanCommand({ TableName: tableName, ...input, ExclusiveStartKey: from });
    const page: ScanCommandOutput = await send(
      "Scan",
      (client, options) => client.send(command, options as undefined),
      signal,
    );
    yield page;
    // A page may be empty and not be the last: only the key tells.
    from = page.LastEvaluatedKey;
  } while (from !== undefined);
}

/** All pages of all segments, or the first error, after which no further page is asked for. */
export async function scanInParallel(
  table: Table,
  input: Scan,
  onPage: (page: ScanCommandOutput) => void,
  signal?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  const segment = async (Segment: number): Promise<void> => {
    for await (const page of pages(table, { ...input, Segment, TotalSegments: segments }, stop)) onPage(page);
  };
  try {
    await Promise.all(Array.from({ length: segments }, (_, index) => segment(index)));
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}
