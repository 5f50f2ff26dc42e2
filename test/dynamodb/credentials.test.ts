/** Keys that are renewed while the program runs, wherever the SDK finds them: a refusal has them read anew. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { StorageError, TelegramDynamoDBStorage } from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { failureOf } from "../support/storage.ts";
import { removeSync } from "../support/leaks.ts";

const test = suite("credentials", {}, 30_000);

const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();

/** What AWS has for a program: DynamoDB, which takes one key only, and the services that give keys away. */
class Account {
  /** The key that DynamoDB takes. */
  valid = "ASIAFIRST";
  /** The key that is given away. */
  given = "ASIAFIRST";
  readonly folder: string = mkdtempSync(join(tmpdir(), "keys-"));
  readonly #server: Server;
  refusal = "ExpiredTokenException";
  requests = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      request.resume();
      request.on("end", () => {
        const { status = 200, type = "application/json", body } = this.#answer(request);
        response.writeHead(status, { "content-type": type }).end(body);
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    removeSync(this.folder, { recursive: true });
  }

  write(name: string, ...lines: readonly string[]): string {
    const path = join(this.folder, name);
    writeFileSync(path, `${lines.join("\n")}\n`);
    return path;
  }

  #answer({ headers, url = "" }: IncomingMessage): { status?: number; type?: string; body: string } {
    const key = this.given;
    if (headers["x-amz-target"] !== undefined) {
      this.requests++;
      if (headers.authorization?.includes(`Credential=${this.valid}/`)) {
        return { type: "application/x-amz-json-1.0", body: "{}" };
      }
      const body = JSON.stringify({ __type: `com.amazon.coral.service#${this.refusal}`, message: "expired" });
      return { status: 400, type: "application/x-amz-json-1.0", body };
    }
    if (url.startsWith("/container")) {
      const keys = { AccessKeyId: key, SecretAccessKey: "s", Token: "t", Expiration: inAnHour() };
      return { body: JSON.stringify(keys) };
    }
    if (url.startsWith("/federation/credentials")) {
      const expiration = Date.now() + 3_600_000;
      const roleCredentials = { accessKeyId: key, secretAccessKey: "s", sessionToken: "t", expiration };
      return { body: JSON.stringify({ roleCredentials }) };
    }
    if (url === "/latest/api/token") return { body: "imds" };
    if (/security-credentials(-extended)?\/$/.test(url)) return { body: "role" };
    if (url.includes("security-credentials")) {
      const keys = { Code: "Success", AccessKeyId: key, SecretAccessKey: "s", Token: "t" };
      return { body: JSON.stringify({ ...keys, Expiration: inAnHour() }) };
    }
    return {
      type: "text/xml",
      body: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${key}</AccessKeyId>
        <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
        <Expiration>${inAnHour()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
        </AssumeRoleWithWebIdentityResponse>`,
    };
  }
}

/** Places where the SDK looks: each sets the variables that lead there, and hands new keys out. */
const places: Readonly<Record<string, (account: Account) => Record<string, string>>> = {
  "a file": (account) => ({ AWS_SHARED_CREDENTIALS_FILE: writeKeys(account) }),
  "a container's role": ({ url }) => ({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/container` }),
  "an instance's role": ({ url }) => ({
    AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
    AWS_EC2_METADATA_DISABLED: "",
  }),
  "a web identity": (account) => ({
    AWS_WEB_IDENTITY_TOKEN_FILE: account.write("token", "web-identity"),
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/bot",
    AWS_ENDPOINT_URL_STS: account.url,
  }),
  "SSO": (account) => {
    const startUrl = "https://example.awsapps.com/start";
    const cache = join(account.folder, ".aws/sso/cache");
    mkdirSync(cache, { recursive: true });
    const name = createHash("sha1").update(startUrl).digest("hex");
    writeFileSync(join(cache, `${name}.json`), JSON.stringify({ accessToken: "a", expiresAt: inAnHour() }));
    const lines = ["sso_account_id = 123456789012", "sso_role_name = bot", "sso_region = us-east-1"];
    return {
      HOME: account.folder,
      AWS_CONFIG_FILE: account.write("config", "[default]", `sso_start_url = ${startUrl}`, ...lines),
      AWS_ENDPOINT_URL_SSO: account.url,
    };
  },
};

function writeKeys(account: Account): string {
  const { given } = account;
  return account.write(
    "credentials",
    "[default]",
    `aws_access_key_id = ${given}`,
    `aws_secret_access_key = s`,
    `aws_session_token = t`,
  );
}

const cleared = [
  ...["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"],
  ...[
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
  ],
  ...["AWS_ROLE_ARN", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO"],
];

async function withAccount(
  place: string,
  visit: (account: Account, storage: TelegramDynamoDBStorage) => Promise<void>,
): Promise<void> {
  const account = new Account();
  await account.open();
  const before = { ...process.env };
  for (const name of cleared) delete process.env[name];
  Object.assign(process.env, {
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SHARED_CREDENTIALS_FILE: join(account.folder, "none"),
    AWS_CONFIG_FILE: join(account.folder, "none"),
    AWS_ENDPOINT_URL_DYNAMODB: account.url,
    ...places[place]?.(account),
  });
  const storage = new TelegramDynamoDBStorage();
  try {
    await visit(account, storage);
  } finally {
    storage.close();
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    await account.close();
  }
}

for (const place of Object.keys(places)) {
  test(`keys from ${place} are read anew once they are refused`, async () => {
    await withAccount(place, async (account, storage) => {
      assert.is(await storage.getChat(1), undefined, "the first keys are taken");
      account.valid = account.given = "ASIASECOND";
      if (place === "a file") writeKeys(account);
      assert.is(await storage.getChat(1), undefined, "the second keys are taken");
      await Promise.all([1, 2, 3].map((id) => storage.getChat(id)));
      assert.is(account.requests, 6, "one request was refused");
    });
  });
}

test("many requests that are refused at once are all sent again", async () => {
  await withAccount("a file", async (account, storage) => {
    await storage.getChat(1);
    account.valid = account.given = "ASIASECOND";
    writeKeys(account);
    await Promise.all(Array.from({ length: 50 }, (_, id) => storage.getChat(id + 1)));
  });
});

test("keys that stay refused are named, and new ones are taken as soon as they are there", async () => {
  await withAccount("a file", async (account, storage) => {
    await storage.getChat(1);
    account.valid = "ASIASECOND";
    account.refusal = "UnrecognizedClientException";
    const error = await failureOf(storage.getChat(1));
    assert.instance(error, StorageError);
    assert.is((error as StorageError).reason, "credentials");
    account.given = "ASIASECOND";
    writeKeys(account);
    // The place is asked once a second at most.
    for (let attempt = 1;; attempt++) {
      const failure = await storage.getChat(1).then(() => undefined, (refused: Error) => refused);
      if (failure === undefined) break;
      if (attempt === 100) throw failure;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
});

test.run();
