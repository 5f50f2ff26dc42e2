/** Which names the options of storages and ledgers may have. */
import { botNames } from "../bot/options.ts";
import type { ChatStorageOptions, CleanupOptions, Work } from "../chats/storage.ts";
import {
  assertNames,
  assertNoMistakes,
  mistakesInNames,
  type Names,
  namesOf,
  shown,
} from "../util/validate.ts";
import type { DynamoDBStorageOptions } from "./chat_storage.ts";
import type { DynamoDBLedgerOptions } from "./ledger.ts";

const elsewhere = { "the options of the bot": botNames.known };

export const storageNames: Names = {
  known: namesOf<ChatStorageOptions>({ clock: true, logger: true }),
  elsewhere,
};
export const dynamoDBNames: Names = {
  known: namesOf<DynamoDBStorageOptions>({
    ...{ tableName: true, regionName: true, client: true, fetch: true, clock: true, logger: true },
  }),
  elsewhere,
};
export const ledgerNames: Names = {
  known: namesOf<DynamoDBLedgerOptions>({
    tableName: true,
    regionName: true,
    client: true,
    fetch: true,
    clock: true,
  }),
};
const cleanupNames = { known: namesOf<CleanupOptions>({ daysThreshold: true }) };
const workNames = {
  known: namesOf<Work>({ signal: true, onProgress: true, onStrikes: true, onAdder: true, onThread: true }),
};

/**
 * @param isOpen For a class that extends ours, and may have options of its own.
 * @throws {ConfigError} If an option is unknown.
 */
export function assertStorageOptions(options: object, names: Names, isOpen: boolean = false): void {
  assertNoMistakes(mistakesInNames(options, { ...names, isOpen }));
}

/** @throws {RangeError} If an option is unknown, or out of range. */
export function assertCleanup(options: CleanupOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new RangeError(
      `Cannot clean up as the options must be an object such as { daysThreshold: 30 }: current value is ${
        shown(options)
      }`,
    );
  }
  assertNames("clean up", options, cleanupNames, RangeError);
  const { daysThreshold } = options;
  if (Number.isFinite(daysThreshold) && daysThreshold > 0) return;
  throw new RangeError(
    `Cannot clean up as "daysThreshold" must be a finite number above 0: current value is ${
      shown(daysThreshold)
    }`,
  );
}

/** @throws {TypeError} If an option is unknown. */
export function assertWork(action: string, work: Work): void {
  assertNames(action, work, workNames);
}
