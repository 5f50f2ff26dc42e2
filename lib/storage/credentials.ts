/**
 * Keys to an AWS account that are renewed while a program runs: in a file, by SSO, a container's or an instance's role, or
 * a web identity. The SDK asks anew only for keys whose end it knows; these are asked for anew once AWS refuses them.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { errorName } from "./storage_error.ts";

/** AWS does not know the keys, or not any more. */
const refusals = new Set([
  "ExpiredTokenException",
  "ExpiredToken",
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
]);

/** Where keys are found may be a service, which is asked no more often than this. */
const askAgainMs = 1000;

type Provider = DynamoDBClient["config"]["credentials"];

/** Where the SDK finds keys by itself, without its memory of files. */
export function findCredentials(): Provider {
  let provider: Provider | undefined;
  return async (options) => {
    const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
    return await (provider ??= defaultProvider({ ignoreCache: true }))(options);
  };
}

/** Keys of one client, which several tables may share. */
export class Credentials {
  readonly #client: DynamoDBClient;
  /** How often new keys were found. */
  #renewals = 0;
  #renewing: Promise<void> | undefined;
  #askedAt = -Infinity;

  constructor(client: DynamoDBClient) {
    this.#client = client;
  }

  /** Sends it once more where its keys are refused, and others are found. */
  async sentWith<T>(send: () => Promise<T>): Promise<T> {
    const before = this.#renewals;
    try {
      return await send();
    } catch (error) {
      if (!refusals.has(errorName(error))) throw error;
      if (this.#renewals === before) await this.#renewed();
      if (this.#renewals === before) throw error;
      return await send();
    }
  }

  async #renewed(): Promise<void> {
    const now = performance.now();
    if (this.#renewing === undefined && now - this.#askedAt < askAgainMs) return;
    this.#askedAt = now;
    await (this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined));
  }

  async #renew(): Promise<void> {
    try {
      const { credentials } = this.#client.config;
      const before = await credentials();
      const after = await credentials({ forceRefresh: true });
      const isNew = (["accessKeyId", "secretAccessKey", "sessionToken"] as const)
        .some((part) => before[part] !== after[part]);
      if (isNew) this.#renewals++;
    } catch {
      // What was refused says more than that no other keys were found.
    }
  }
}

const ofClients = new WeakMap<DynamoDBClient, Credentials>();

export function credentialsOf(client: DynamoDBClient): Credentials {
  const known = ofClients.get(client) ?? new Credentials(client);
  ofClients.set(client, known);
  return known;
}
