/** The stack of examples/lambda on this machine: what its template makes, each function under its own policy. */
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { chatSchema, ledgerSchema, type Schema } from "../../lib/dynamodb/table.ts";
import {
  type Allowed,
  type BotApiServer,
  type FaultGate,
  startBotApiServer,
  startDynamoDB,
  startFaultGate,
} from "../../lib/local/mod.ts";
import { clientAt } from "./client.ts";
import { type LambdaFunction, startFunction } from "./lambda_function.ts";
import { type ParameterStore, startParameterStore } from "./parameter_store.ts";
import { Deployment } from "./template.ts";

export const webhookSecret = "0123456789abcdef";
const tableNames = { Chats: "stack-Chats-1", Broadcasts: "stack-Broadcasts-2" } as const;

/** Telegram and an AWS account, with the template's two tables. */
export interface Account {
  readonly telegram: BotApiServer;
  /** Where the account's DynamoDB listens. */
  readonly endpoint: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A function, and what stands between it and the account: its policy. */
export interface DeployedFunction {
  readonly running: LambdaFunction;
  readonly gate: FaultGate;
  /** What its policy allows on the tables. */
  readonly allowed: readonly Allowed[];
  readonly store: ParameterStore;
  /** The variables that the template gives it. */
  readonly variables: Readonly<Record<string, string>>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openAccount(): Promise<Account> {
  const telegram = await startBotApiServer();
  const database = await startDynamoDB();
  const client = clientAt(database.endpoint);
  for (const [name, schema] of [["Chats", chatSchema], ["Broadcasts", ledgerSchema]] as const) {
    const { need: _need, setting: _setting, ...rest }: Schema = schema;
    const TableName = tableNames[name];
    await client.send(new CreateTableCommand({ TableName, ...rest, BillingMode: "PAY_PER_REQUEST" }));
  }
  client.destroy();
  return {
    ...{ telegram, endpoint: database.endpoint },
    async [Symbol.asyncDispose]() {
      await telegram.close();
      await database.close();
    },
  };
}

export interface DeployOptions {
  /** Where its code is. */
  readonly folder: string;
  /** Values of the template's parameters that differ from their defaults. */
  readonly values?: Readonly<Record<string, string>>;
  /** Whose policy it gets. Default: its own. */
  readonly policyFrom?: "Updates" | "Send";
  /** What SSM has. Default: the token and the secret, by the template's names. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** Deploys one of the template's functions. */
export async function deploy(
  { telegram, endpoint }: Account,
  name: "Updates" | "Send",
  { folder, values, policyFrom = name, parameters }: DeployOptions,
): Promise<DeployedFunction> {
  const deployment = new Deployment({ ...tableNames, ...values });
  const statements = deployment.statementsOf(policyFrom);
  const allowed = statements.flatMap(allowedBy);
  const gate = await startFaultGate({ target: endpoint, allow: allowed });
  const store = await startParameterStore(
    parameters ?? {
      "/telegram-signals/bot-token": telegram.token,
      "/telegram-signals/webhook-secret": webhookSecret,
    },
    statements.flatMap(({ Resource }) => Resource),
  );
  const close = async (): Promise<void> => {
    await gate.close();
    await store[Symbol.asyncDispose]();
  };
  const variables = deployment.variablesOf(name);
  try {
    const running = await startFunction(folder, String(deployment.propertiesOf(name)["Handler"]), {
      ...variables,
      TELEGRAM_API_ROOT: telegram.apiRoot,
      AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
      AWS_ENDPOINT_URL_SSM: store.endpoint,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
    });
    return {
      ...{ running, gate, allowed, store, variables },
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a statement allows on the tables. */
function allowedBy(
  { Action, Resource }: { Action: readonly string[]; Resource: readonly string[] },
): Allowed[] {
  const actions = Action.flatMap((action) => /^dynamodb:(.*)/.exec(action)?.[1] ?? []);
  const [name = ""] = /^\w+/.exec(Resource.join()) ?? [];
  return actions.length === 0 ? [] : [{ actions, table: tableNames[name as keyof typeof tableNames] }];
}
