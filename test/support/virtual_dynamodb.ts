/**
 * A table of chats in memory behind the SDK's own client, in virtual time, on a network with random delays and losses.
 */
import { setImmediate } from "node:timers/promises";
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { chatSchema } from "../../lib/dynamodb/table.ts";
import { type Answer, type SdkItem, sdkItem, SimulatedDynamoDB, wireItem } from "../sim/dynamodb/dynamodb.ts";
import { StepClock } from "./clocks.ts";
import type { Random } from "./histories.ts";

/** What a process's requests meet on their way. */
export interface Network {
  readonly random: Random;
  /** How long a request, or its answer, is on its way. */
  readonly latencyMs: () => number;
  /** The share of requests that are lost, and that of answers. */
  readonly lost: number;
}

/** As `lib/dynamodb/client.ts` has them. */
const [attemptWithinMs, answerWithinMs, attemptsAtMost] = [2000, 4500, 3];
const TableName = "chats";
/** So few that a chat may change while the pages before its own are read. */
const pageItems = 4;

export class VirtualDynamoDB {
  readonly clock: StepClock;
  readonly #dynamodb = new SimulatedDynamoDB({ pageItems });
  /** What is refused when it arrives, by the action and the chat's id. */
  denies: (action: string, chatId: number | undefined) => boolean = () => false;
  /** Requests that are under way, and those of them that wait for time to pass. */
  #sending = 0;
  #waiting = 0;

  constructor(start: number) {
    this.#dynamodb.create({ TableName, ...chatSchema });
    this.clock = new StepClock(start, async () => {
      // The SDK takes real turns of the event loop.
      do await setImmediate(); while (this.#sending > this.#waiting);
    });
  }

  put(item: SdkItem): void {
    this.#dynamodb.put(TableName, wireItem(item));
  }

  /** The item as it is now. */
  item(chatId: number): SdkItem | undefined {
    const item = this.#dynamodb.item(TableName, { chat_id: { N: String(chatId) } });
    return item && sdkItem(item);
  }

  /** The SDK's own client. */
  clientOn(network: Network): DynamoDBClient {
    const client = new DynamoDBClient({
      region: "us-east-1",
      endpoint: "http://dynamodb.virtual",
      credentials: { accessKeyId: "AKID", secretAccessKey: "secret" },
      signer: { sign: <T>(request: T): Promise<T> => Promise.resolve(request) },
      cacheMiddleware: true,
      requestHandler: {
        metadata: { handlerProtocol: "http/1.1" },
        handle: (request: Sent) => this.#wait(() => this.#handle(request, network)),
        updateHttpClientConfig() {},
        httpHandlerConfigs: () => ({}),
        destroy() {},
      },
      retryStrategy: this.#retriesOn(network),
    } as unknown as DynamoDBClientConfig);
    client.middlewareStack.remove("loggerMiddleware");
    const send = client.send.bind(client) as (command: unknown) => Promise<unknown>;
    return Object.assign(client, { send: (command: unknown) => this.#inTime(send(command)) });
  }

  /** A stand-in for the SDK's client that takes a quarter of its processor time. */
  standInOn(network: Network): DynamoDBClient {
    const send = (command: Command): Promise<unknown> =>
      this.#inTime(this.#wait(() => this.#send(command, network)));
    return { send, config: {}, destroy() {} } as unknown as DynamoDBClient;
  }

  async #send({ constructor: { name }, input }: Command, network: Network): Promise<unknown> {
    const action = name.replace("Command", "");
    for (let attempts = 1;; attempts++) {
      try {
        const { status, body } = await this.#attempt(action, input, network);
        if (status === 200) return body;
        throw refusalOf(body as Refusal, attempts);
      } catch (error) {
        if ((error as Error).name !== "TimeoutError" || attempts >= attemptsAtMost) throw error;
      }
      await this.#rest(attempts, network);
    }
  }

  /** Marks the task as waiting for time to pass, so that it does not hold up the clock. */
  async #wait<T>(task: () => Promise<T>): Promise<T> {
    this.#waiting++;
    try {
      return await task();
    } finally {
      this.#waiting--;
    }
  }

  async #inTime(answer: Promise<unknown>): Promise<unknown> {
    this.#sending++;
    const ending = new AbortController();
    const late = this.clock.sleep(answerWithinMs, ending.signal).then(() => Promise.reject(timedOut()));
    late.catch(() => {});
    const done = answer.finally(() => this.#sending--);
    done.catch(() => {});
    try {
      return await Promise.race([done, late]);
    } finally {
      ending.abort();
    }
  }

  async #handle({ headers, body }: Sent, network: Network): Promise<unknown> {
    const action = headers["x-amz-target"]?.split(".")[1] ?? "";
    const input = JSON.parse(typeof body === "string" ? body : new TextDecoder().decode(body)) as Input;
    const answer = await this.#attempt(action, input, network);
    return {
      response: {
        statusCode: answer.status,
        headers: { "content-type": "application/x-amz-json-1.0" },
        body: new TextEncoder().encode(JSON.stringify(answer.body)),
      },
    };
  }

  async #attempt(action: string, input: Input, { random, latencyMs, lost }: Network): Promise<Answer> {
    const { clock } = this;
    const [outMs, backMs] = [latencyMs(), latencyMs()];
    const fate = random();
    if (fate < lost || outMs >= attemptWithinMs) {
      await clock.sleep(attemptWithinMs);
      throw timedOut();
    }
    await clock.sleep(outMs);
    const answer = this.#answer(action, input);
    const isLate = fate > 1 - lost || outMs + backMs >= attemptWithinMs;
    await clock.sleep(isLate ? attemptWithinMs - outMs : backMs);
    if (isLate) throw timedOut();
    return answer;
  }

  /** Answers a request to the one table, whatever its name. */
  #answer(action: string, input: Input): Answer {
    const key = input.Key?.["chat_id"]?.N;
    if (this.denies(action, key === undefined ? undefined : Number(key))) return denied;
    return this.#dynamodb.answer(action, { ...input, TableName });
  }

  #rest(attempts: number, { random }: Network): Promise<void> {
    return this.clock.sleep(random() * 100 * 2 ** attempts);
  }

  /** The SDK's three attempts, whose rests take no real time. */
  #retriesOn(network: Network): object {
    const tokenOf = (count: number): object => ({ getRetryCount: () => count, getRetryDelay: () => 0 });
    return {
      mode: "standard",
      acquireInitialRetryToken: () => Promise.resolve(tokenOf(0)),
      refreshRetryTokenForRetry: async (
        token: { getRetryCount(): number },
        { errorType }: { readonly errorType: string },
      ) => {
        const count = token.getRetryCount() + 1;
        if (errorType === "CLIENT_ERROR" || count >= attemptsAtMost) throw new Error("no more");
        await this.#wait(() => this.#rest(count, network));
        return tokenOf(count);
      },
      recordSuccess() {},
    };
  }
}

const denied: Answer = {
  status: 400,
  body: {
    __type: "com.amazonaws.dynamodb.v20120810#AccessDeniedException",
    message: "You are not authorized",
  },
};

interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The body of a request. */
interface Input {
  readonly Key?: SdkItem;
}

interface Command {
  readonly constructor: { readonly name: string };
  readonly input: Input;
}

interface Refusal {
  readonly __type: string;
  readonly message: string;
}

function refusalOf({ __type, message, ...more }: Refusal, attempts: number): Error {
  const name = __type.split("#")[1];
  return Object.assign(new Error(message), { name, ...more, $fault: "client", $metadata: { attempts } });
}

function timedOut(): Error {
  return Object.assign(new Error("no answer in time"), { name: "TimeoutError" });
}
