/**
 * What a month costs at DynamoDB's on-demand price, in capacity units that are counted on the emulator.
 *
 *     npm run bench:cost [-- --users 1000 --signals 100 --messages 2]
 *
 * `--signals` are those of a day, to everyone, each with a `broadcastId`; `--messages` are those of a day from each user.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { type Capacity, dollars, times } from "./capacity.ts";
import { countedAtMost, defaultUsage, type Kind, type Month, monthOf, totalOf, type Usage } from "./month.ts";
import { textTable } from "../support/table.ts";

function usageFrom(args: readonly string[]): Usage {
  const text = { type: "string" } as const;
  const options = { users: text, signals: text, messages: text } as const;
  const { values } = parseArgs({ args: [...args], options });
  const number = (name: keyof Usage, least: number): number => {
    const value = Number(values[name] ?? defaultUsage[name]);
    if (Number.isInteger(value) && value >= least) return value;
    throw new RangeError(
      `--${name} must be a whole number from ${least} on: current value is ${values[name]}`,
    );
  };
  return { users: number("users", 1), signals: number("signals", 0), messages: number("messages", 0) };
}

function pageOf({ users, signals, messages }: Usage, { kinds, original }: Month): string {
  const head = ["", "a month", "writes each", "reads each", "writes", "reads", "cost"];
  const line = ({ name, perMonth, each }: Kind): string[] => [
    name,
    counted(perMonth),
    counted(each.writes),
    counted(each.reads),
    ...totals(times(perMonth, each)),
  ];
  const total = ["together", "", "", "", ...totals(totalOf(kinds))];
  const notes = [
    `A month of ${counted(users)} users: ${counted(signals)} signals a day, each to everyone and with a`,
    `broadcastId, and ${counted(messages)} messages a day from each user.`,
  ];
  const how = users <= countedAtMost
    ? `with ${counted(users)} users`
    : `with ${counted(countedAtMost / 2)} and ${counted(countedAtMost)} users, and carried on from there`;
  return [
    ...notes,
    "",
    textTable([head, ...kinds.map(line), total, [""], line(original)]),
    "",
    `Capacity units as counted on the emulator ${how};`,
    "on demand in us-east-1: $0.625 for a million writes, $0.125 for a million reads.",
    `The last line is the Python original's way: it writes to the table for every message that it sends.`,
  ].join("\n");
}

function totals(capacity: Capacity): string[] {
  return [counted(capacity.writes), counted(capacity.reads), `$${dollars(capacity).toFixed(3)}`];
}

function counted(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 1000 ? 1 : 0 });
}

const usage = usageFrom(process.argv.slice(2));
console.log(pageOf(usage, await monthOf(usage)));
