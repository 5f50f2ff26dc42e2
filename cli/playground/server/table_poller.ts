/** Reads the table past the fault gate, so also while the bot cannot reach it, and reports changed items. */
import { type AttributeValue, DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import type { FaultGate, LocalDynamoDB } from "telegram-signals/local";
import { chatsTable } from "./environment.ts";

/** In DynamoDB's JSON: `{ "chat_id": { "N": "7001" }, … }`. */
export type Item = Record<string, AttributeValue>;

const pollEveryMs = 200;

export interface TablePollerOptions {
  readonly database: LocalDynamoDB;
  readonly gate: FaultGate;
  /** Called with the items that are new or have changed. */
  readonly onChange: (items: readonly Item[]) => void;
}

export class TablePoller {
  readonly #options: TablePollerOptions;
  readonly #client: DynamoDBClient;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #items = new Map<string, Item>();
  #lastRequest: unknown;
  #isReading = false;

  constructor(options: TablePollerOptions) {
    const { endpoint, region, credentials } = options.database;
    this.#options = options;
    this.#client = new DynamoDBClient({ endpoint, region, credentials });
    this.#timer = setInterval(() => void this.#poll(), pollEveryMs);
  }

  /** All items, as of the last poll. */
  get items(): readonly Item[] {
    return [...this.#items.values()];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#client.destroy();
  }

  /** Reads only if the gate has finished a request since the last time. */
  async #poll(): Promise<void> {
    const last = this.#options.gate.log.at(-1) ?? "none yet";
    if (last === this.#lastRequest || this.#isReading) return;
    this.#isReading = true;
    try {
      const changed = (await this.#read()).filter((item) => this.#isChanged(item));
      this.#lastRequest = last;
      if (changed.length > 0) this.#options.onChange(changed);
    } catch {
      // The table may not exist yet, or no longer; the next poll tries again.
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

  /** Keeps the item, too. The bot deletes none, so that removals need no handling. */
  #isChanged(item: Item): boolean {
    const id = item["chat_id"]?.N ?? "";
    if (JSON.stringify(this.#items.get(id)) === JSON.stringify(item)) return false;
    this.#items.set(id, item);
    return true;
  }
}
