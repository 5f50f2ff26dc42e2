/** The storage's client, for an address and keys that a test or a measurement chooses. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createDynamoDBClient } from "../../lib/dynamodb/client.ts";
import { currentHosts } from "../sim/world.ts";

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export const testKeys: Keys = { accessKeyId: "AKIDTEST", secretAccessKey: "secret-of-the-tests" };

/**
 * The client exactly as the storage makes it, with its address and keys set here rather than by the environment. In virtual
 * time it does not sign its requests.
 */
export function clientAt(endpoint: string, keys: Keys | undefined = testKeys): DynamoDBClient {
  const { hostname, port } = new URL(endpoint);
  const isSimulated = hostname.endsWith(".sim");
  const client = createDynamoDBClient("us-east-1", isSimulated ? currentHosts().fetch : undefined);
  const address = { protocol: "http:", hostname, ...port !== "" && { port: Number(port) }, path: "/" };
  Object.assign(client.config, { endpoint: () => Promise.resolve(address), isCustomEndpoint: true });
  Object.assign(client.config, { credentials: () => Promise.resolve(keys) });
  if (isSimulated) Object.assign(client.config, { signer: () => Promise.resolve({ sign: unsigned }) });
  return client;
}

function unsigned<T>(request: T): Promise<T> {
  return Promise.resolve(request);
}
