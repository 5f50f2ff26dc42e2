/** Which names the options of storages and ledgers may have. */
import { assertNames, type Names, namesOf } from "../option_names.ts";
import { assertNoMistakes, botNames, mistakesInNames } from "../options.ts";
import type { ChatStorageOptions, CleanupOptions, Work } from "./chat_storage.ts";
import type { DynamoDBStorageOptions } from "./dynamodb.ts";
import type { DynamoDBLedgerOptions } from "./dynamodb_ledger.ts";

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

/** @throws {RangeError} If an option is unknown, as for one that is out of range. */
export function assertCleanup(options: CleanupOptions): void {
  assertNames("clean up", options, cleanupNames, RangeError);
}

/** @throws {TypeError} If an option is unknown. */
export function assertWork(action: string, work: Work): void {
  assertNames(action, work, workNames);
}
