/** Files of tests, shared out among processes that run beside each other. */

/** Seconds that a file takes by itself, where they are many; a file that is not here takes one. */
const seconds: Readonly<Record<string, number>> = {
  "bench/bench": 4,
  "bot/clock_jumps": 50,
  "bot/lifecycle": 34,
  "bot/networks_matrix": 20,
  "bot/plugin": 10,
  "broadcast/broadcast": 20,
  "broadcast/broadcast_run": 13,
  "broadcast/broadcast_id": 42,
  "broadcast/ledger": 4,
  "broadcast/ledger_failover": 8,
  "broadcast/local_ledger": 6,
  "broadcast/outgoing_message": 4,
  "broadcast/strangers": 7,
  "broadcast/strikes": 7,
  "chats/access": 7,
  "chats/confirm_stop": 3,
  "chats/consent": 21,
  "chats/custom_messages": 4,
  "chats/hostile": 18,
  "chats/registration": 8,
  "chats/spool": 4,
  "chats/stop_log": 12,
  "chats/write_queue": 3,
  "chats/write_queue_outage": 12,
  "crash/adversaries": 190,
  "crash/broadcast_kills": 15,
  "crash/instances": 11,
  "crash/signal_gets_out": 58,
  "crash/signal_outage": 25,
  "crash/updates": 25,
  "dynamodb/chat_item": 8,
  "dynamodb/chat_storage": 3,
  "dynamodb/chat_storage_histories": 6,
  "dynamodb/faults": 10,
  "dynamodb/ledger": 5,
  "dynamodb/ledger_races": 4,
  "dynamodb/table": 3,
  "dynamodb/table_record": 6,
  "examples/broadcast": 12,
  "examples/live_scheduler": 3,
  "examples/manage_chats": 8,
  "examples/playground": 5,
  "examples/sandbox": 14,
  "examples/strategy/exchange_feed": 8,
  "local/dynamodb/server": 2,
  "project/newcomer": 8,
  "project/readme": 8,
  "sim/dynamodb": 12,
  "sim/dynamodb_peer": 10,
  "sim/histories": 45,
  "sim/scenes": 12,
  "sim/telegram": 3,
  "signals/chart/chart": 3,
  "signals/chart/labels": 2,
  "signals/chart_loader": 10,
  "telegram/polling": 6,
  "telegram/polling_offsets": 18,
  "telegram/rate_limit/rate_limiter": 22,
  "telegram/webhook": 12,
};

const secondsOf = (file: string): number => seconds[file.replace(".test.ts", "")] ?? 1;

/** The files of one part, of so many parts that take about as long as each other. The parts hold each file once. */
export function partOf(files: readonly string[], part: number, parts: number): string[] {
  const shares = Array.from({ length: parts }, () => ({ files: [] as string[], seconds: 0 }));
  for (const file of [...files].sort((a, b) => secondsOf(b) - secondsOf(a))) {
    const least = shares.reduce((one, other) => other.seconds < one.seconds ? other : one);
    least.files.push(file);
    least.seconds += secondsOf(file);
  }
  return shares[part - 1]?.files.sort() ?? [];
}
