/** What the table holds, read behind the gate: also while the bot cannot reach it. */
import { type AttributeValue, DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import type { FaultGate, LocalDynamoDB } from "telegram-signals/local";
import { chatsTable } from "./stage.ts";

/** As DynamoDB writes it: `{ "chat_id": { "N": "7001" }, … }`. */
export type Item = Record<string, AttributeValue>;

const lookEveryMs = 200;

export interface TableWatchOptions {
  readonly database: LocalDynamoDB;
  readonly gate: FaultGate;
  /** Called with those that are new or have changed. */
  readonly onChange: (items: readonly Item[]) => void;
}

export class TableWatch {
  readonly #options: TableWatchOptions;
  readonly #client: DynamoDBClient;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #items = new Map<string, Item>();
  #seen: unknown;
  #isReading = false;

  constructor(options: TableWatchOptions) {
    const { endpoint, region, credentials } = options.database;
    this.#options = options;
    this.#client = new DynamoDBClient({ endpoint, region, credentials });
    this.#timer = setInterval(() => void this.#look(), lookEveryMs);
  }

  /** As they were last seen. */
  get items(): readonly Item[] {
    return [...this.#items.values()];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#client.destroy();
  }

  /** Reads only where a request has come to an end since. */
  async #look(): Promise<void> {
    const last = this.#options.gate.log.at(-1) ?? "none yet";
    if (last === this.#seen || this.#isReading) return;
    this.#isReading = true;
    try {
      const changed = (await this.#read()).filter((item) => this.#isNews(item));
      this.#seen = last;
      if (changed.length > 0) this.#options.onChange(changed);
    } catch {
      // The table may not be there yet, or no longer; the next look tells.
    } finally {
      this.#isReading = false;
    }
  }

  async #read(): Promise<Item[]> {
    const items: Item[] = [];
    for await (
      const page of paginateScan({ client: this.#client }, { TableName: chatsTable, ConsistentRead: true })
    ) {
      items.push(...page.Items ?? []);
    }
    return items;
  }

  /** Remembers it. Nothing is ever deleted, so that what is there stays. */
  #isNews(item: Item): boolean {
    const id = item["chat_id"]?.N ?? "";
    if (JSON.stringify(this.#items.get(id)) === JSON.stringify(item)) return false;
    this.#items.set(id, item);
    return true;
  }
}
