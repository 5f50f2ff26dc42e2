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
  const isActive = ({ chatId }: Difference): boolean => entries.get(chatId)?.is_active === true;
  // Another program that activates a chat leaves its reason behind, which a bot's next write may remove;
  const isReason = (difference: Difference): boolean =>
    difference.attribute === "removed_reason" && difference.actual === undefined && isActive(difference);
  // and its time, as Python writes it, which stays where one write has a /stop and the /start behind it.
  const isTime = (difference: Difference): boolean =>
    difference.attribute === "removed_at" && /\+00:00$/.test(String(difference.actual)) &&
    isActive(difference);
  const isLeftOver = (difference: Difference): boolean => isReason(difference) || isTime(difference);
  return differencesOf(entries, actual).filter((each) => !isNever(each) && !isLeftOver(each));
}
