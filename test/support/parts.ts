/** Files of tests, shared out among processes that run beside each other. */

/** Seconds that a file takes by itself, where they are many; a file that is not here takes one. */
const seconds: Readonly<Record<string, number>> = {
  acknowledge: 18,
  adversaries: 45,
  apply: 6,
  bench: 4,
  bot_consent: 21,
  bot_lifecycle: 34,
  broadcast: 20,
  broadcast_content: 4,
  broadcast_control: 13,
  broadcast_example: 12,
  broadcast_kills: 15,
  broadcast_once: 42,
  chart: 3,
  chart_signal: 10,
  chart_words: 2,
  create_table: 3,
  dynamodb: 3,
  dynamodb_faults: 10,
  dynamodb_items: 8,
  exchange: 8,
  faults: 19,
  gate: 22,
  hostile: 18,
  keeper: 3,
  ledger: 4,
  ledger_races: 4,
  ledger_table: 5,
  live_scheduler: 3,
  local_dynamodb: 2,
  manage_chats: 8,
  newcomer: 8,
  outage: 12,
  playground: 5,
  polling: 6,
  private_bot: 7,
  readme: 8,
  registration: 8,
  sandbox: 14,
  signal_gets_out: 90,
  spool: 4,
  strikes: 7,
  subscriptions: 10,
  webhook: 12,
  words: 4,
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
