/** A table that is never kept: what DynamoDB would answer to a Scan of so many active chats, page by page. */
import { chatIdAt, indexOfChatId } from "./chat_ids.ts";

/** What DynamoDB reads for one page, 1 MB, in chats of about 190 bytes. */
const chatsAPage = 5300;

interface Key {
  readonly chat_id: { readonly N: string };
}

export interface ScanPage {
  readonly Count: number;
  readonly ScannedCount: number;
  readonly Items: readonly Key[];
  readonly LastEvaluatedKey?: Key | undefined;
}

export interface Scan {
  /** Its last number is how many chats there are: `chats-1000000`. */
  readonly TableName: string;
  readonly Segment: number;
  readonly TotalSegments: number;
  readonly ExclusiveStartKey?: Key | undefined;
}

/** Projected to `chat_id`, as the loads ask for it. */
export function pageOf({ TableName, Segment, TotalSegments, ExclusiveStartKey }: Scan): ScanPage {
  const chats = Number(TableName.split("-").at(-1));
  const boundary = (segment: number): number => Math.floor(chats * segment / TotalSegments);
  const start = ExclusiveStartKey
    ? indexOfChatId(Number(ExclusiveStartKey.chat_id.N), chats) + 1
    : boundary(Segment);
  const end = Math.min(start + chatsAPage, boundary(Segment + 1));
  const keyAt = (index: number): Key => ({ chat_id: { N: String(chatIdAt(index, chats)) } });
  const Items = Array.from({ length: end - start }, (_, index) => keyAt(start + index));
  const page = { Count: Items.length, ScannedCount: Items.length, Items };
  return end < boundary(Segment + 1) ? { ...page, LastEvaluatedKey: Items.at(-1) } : page;
}
