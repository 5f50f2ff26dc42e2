/** Files of tests, shared out among processes that run beside each other. */

/** Seconds that a file takes by itself, where they are many; a file that is not here takes one. */
const seconds: Readonly<Record<string, number>> = {
  "bench/bench": 6,
  "bot/clock_jumps": 7,
  "bot/lifecycle": 3,
  "bot/networks": 10,
  "bot/networks_matrix": 9,
  "bot/networks_namespace": 12,
  "bot/notebook": 10,
  "bot/plugin": 3,
  "broadcast/broadcast": 2,
  "broadcast/broadcast_id": 7,
  "broadcast/broadcast_run": 3,
  "broadcast/delivery": 3,
  "broadcast/ledger_failover": 2,
  "broadcast/outgoing_message": 2,
  "broadcast/permission_check": 2,
  "broadcast/run": 4,
  "broadcast/strangers": 3,
  "chats/consent": 4,
  "chats/registration": 4,
  "chats/spool": 3,
  "chats/topics": 3,
  "chats/write_queue": 4,
  "chats/write_queue_outage": 6,
  "cli/broadcast": 12,
  "cli/chats": 10,
  "cli/playground": 9,
  "cli/program": 10,
  "cli/sandbox": 40,
  "cli/send": 10,
  "crash/adversaries": 10,
  "crash/broadcast_kills": 10,
  "crash/instances": 8,
  "crash/scheduler_kills": 15,
  "crash/signal_gets_out": 12,
  "crash/signal_outage": 13,
  "crash/updates": 22,
  "dynamodb/chat_item": 6,
  "dynamodb/chat_storage": 5,
  "dynamodb/chat_storage_histories": 9,
  "dynamodb/faults": 4,
  "dynamodb/ledger_races": 2,
  "dynamodb/table_record": 3,
  "examples/isolation": 15,
  "examples/live_scheduler": 10,
  "examples/strategy/exchange_feed": 5,
  "examples/strategy/mean_reversion": 2,
  "examples/strategy/sent_log": 3,
  "hostile/items": 10,
  "hostile/options": 9,
  "hostile/updates": 9,
  "hostile/webhooks": 4,
  "local/dynamodb/fault_proxy": 2,
  "local/dynamodb/server": 2,
  "local/telegram/local_groups": 2,
  "local/telegram/peers": 3,
  "project/newcomer": 8,
  "project/permissions": 5,
  "project/readme": 30,
  "signals/chart/chart": 4,
  "signals/chart_loader": 8,
  "signals/ticket": 2,
  "sim/dynamodb": 6,
  "sim/dynamodb_peer": 6,
  "sim/histories": 45,
  "sim/scenes": 12,
  "telegram/polling_offsets": 4,
  "telegram/rate_limit/rates": 2,
  "util/safe_text": 2,
};

const secondsOf = (file: string): number => seconds[file.replace(".test.ts", "")] ?? 1;

/** The beginnings of files that hold the process's timers: what a suite before has left behind would disturb them. */
export const filesApart: readonly string[] = ["sim/histories", "sim/scenes"];

/** The files of one part, of so many parts that take about as long as each other. The parts hold each file once, but those apart. */
export function partOf(files: readonly string[], part: number, parts: number): string[] {
  const shares = Array.from({ length: parts }, () => ({ files: [] as string[], seconds: 0 }));
  const isApart = (file: string): boolean => filesApart.some((start) => file.startsWith(start));
  if (parts === 1) return [...files];
  for (const file of files.filter((each) => !isApart(each)).sort((a, b) => secondsOf(b) - secondsOf(a))) {
    const least = shares.reduce((one, other) => other.seconds < one.seconds ? other : one);
    least.files.push(file);
    least.seconds += secondsOf(file);
  }
  return shares[part - 1]?.files.sort() ?? [];
}
