/** How a ledger's record says where a run is in its order. Pure. */
import { isBefore, type OrderStart, type Position, positionOf, type SendOrder } from "./send_order.ts";
import type { RunRecord } from "./storage/ledger.ts";

/** What is kept of an order, as attributes of the run. */
export function orderKept({ start }: SendOrder): Partial<RunRecord> {
  return { people_start: start?.people, groups_start: start?.groups };
}

/** The start that the record keeps; `undefined` for a run of an earlier version, which went plainly by the ids. */
export function startKept(run: RunRecord): OrderStart | undefined {
  const [people, groups] = [run["people_start"], run["groups_start"]];
  return typeof people === "number" && typeof groups === "number" ? { people, groups } : undefined;
}

/** A chat as the record's cursor; with the number that a function has given it, as the function may be missing later. */
export function cursorIn(
  { values }: SendOrder,
  chatId: number,
): { readonly cursor: number; readonly cursor_value: number | undefined } {
  return { cursor: chatId, cursor_value: values?.get(chatId) };
}

/** Where the record's cursor is, or where its window began; `undefined` before the first chat. */
export function cursorPosition(
  order: SendOrder,
  run: RunRecord,
  name: "cursor" | "window_after",
): Position | undefined {
  const chatId = run[name];
  if (chatId === undefined) return undefined;
  const value = Number(run[`${name}_value`] ?? 0);
  const { rank } = positionOf({ ...order, values: undefined }, chatId);
  return { value: order.values === undefined ? 0 : value, rank };
}

/** Gives whether a chat is between the bounds of the window that is being sent. */
export function inWindow(order: SendOrder, run: RunRecord): (chatId: number) => boolean {
  const [after, end] = [cursorPosition(order, run, "window_after"), cursorPosition(order, run, "cursor")];
  return (chatId) => {
    const at = positionOf(order, chatId);
    return end !== undefined && !isBefore(end, at) && (after === undefined || isBefore(after, at));
  };
}
