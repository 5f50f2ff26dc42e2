/** Where the table of chats differs from the model, but for what other programs' writes make a matter of chance. */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { type Difference, differencesOf, type Entry } from "../crash/model.ts";
import { type Item, sdkItem } from "./dynamodb/dynamodb.ts";

/** @param items The whole table, as DynamoDB has it. */
export function tableDifferences(
  entries: ReadonlyMap<number, Entry>,
  items: Iterable<Item>,
): readonly Difference[] {
  const actual = new Map<number, Record<string, unknown>>();
  for (const raw of items) {
    const { chat_id, ...item } = unmarshall(sdkItem(raw)) as Record<string, unknown>;
    // The table's own record.
    if (chat_id !== 0) actual.set(chat_id as number, item);
  }
  // Another program's item may lack it, which is the same as null.
  const isNever = ({ attribute, expected, actual }: Difference): boolean =>
    attribute === "removed_at" && (expected ?? null) === (actual ?? null);
  // Another program that activates a chat leaves its reason behind, which a bot's next write may remove.
  const isLeftOver = ({ chatId, attribute, actual }: Difference): boolean =>
    attribute === "removed_reason" && actual === undefined && entries.get(chatId)?.is_active === true;
  return differencesOf(entries, actual).filter((each) => !isNever(each) && !isLeftOver(each));
}
