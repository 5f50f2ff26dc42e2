/** What survives the bots that are killed: Telegram, and DynamoDB behind a fault proxy. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type {
  BotApiServer,
  BotApiServerOptions,
  FaultGate,
  FaultGateOptions,
  LocalDynamoDB,
} from "../../lib/local/mod.ts";
import { startFaultGate } from "../../lib/local/dynamodb/fault_proxy.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { clientAt } from "../support/client.ts";
import { type Random, randomOf } from "../support/histories.ts";
import { currentWorld } from "../sim/world.ts";
import { startServer } from "../support/bot.ts";
import { startGatedEngine, TableName } from "../support/storage.ts";

export interface StartedServices {
  readonly seed: number;
  readonly db: LocalDynamoDB;
  readonly gate: FaultGate;
  readonly server: BotApiServer;
}

export class Services implements AsyncDisposable {
  readonly server: BotApiServer;
  /** The bots' way to DynamoDB. */
  readonly gate: FaultGate;
  /** Past the gate, where no fault happens: for other programs, and to look at the tables. */
  readonly direct: DynamoDBClient;
  /** A storage past the gate. */
  readonly storage: TelegramDynamoDBStorage;
  readonly random: Random;
  readonly #db: LocalDynamoDB;
  readonly #gates: FaultGate[] = [];

  constructor({ seed, db, gate, server }: StartedServices) {
    this.#db = db;
    this.gate = gate;
    this.server = server;
    this.random = randomOf(seed);
    this.direct = clientAt(db.endpoint);
    this.storage = new TelegramDynamoDBStorage({ tableName: TableName, client: this.direct });
  }

  /** A further way to DynamoDB, for a program whose requests are told from others'. It is closed with the rest. */
  async openGate(): Promise<FaultGate> {
    const gate = await startFaultGate({ target: this.#db.endpoint });
    this.#gates.push(gate);
    return gate;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.direct.destroy();
    await this.server.close();
    await Promise.all([this.gate, ...this.#gates].map((gate) => gate.close()));
    await this.#db.close();
  }
}

/**
 * Simulated ones in virtual time; else real ones, for bots that are processes.
 * @param allow What the gate lets pass. Default: everything.
 */
export async function startServices(
  seed: number,
  server: BotApiServerOptions = {},
  allow?: FaultGateOptions["allow"],
): Promise<StartedServices> {
  const isOverHttp = currentWorld() === undefined;
  const engine = await startGatedEngine({ isOverHttp, random: randomOf(seed + 1), ...allow && { allow } });
  return { seed, ...engine, server: await startServer(server) };
}
