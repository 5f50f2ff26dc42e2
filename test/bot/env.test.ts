/** From the environment to a bot. Each test has an environment and a folder of its own. */
import fc from "fast-check";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { createTelegramBotFromEnv } from "../../lib/bot/env.ts";
import type { BotOptions } from "../../lib/bot/options.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { Logs, said, withBotOverHttp } from "../support/bot.ts";
import { mistakes, ours, token, withEnvironment } from "../support/environment.ts";

const test = suite("createTelegramBotFromEnv()");

test("what strangers may register is told as lists and numbers are", async () => {
  const good = { TELEGRAM_CHAT_TYPES: "private, channel", TELEGRAM_CHATS_PER_ADDER: "3" };
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token, ...good }, () => void createTelegramBotFromEnv());
  const none = { TELEGRAM_CHAT_TYPES: "", TELEGRAM_CHATS_PER_ADDER: "" };
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token, ...none }, () => void createTelegramBotFromEnv());
  const unlimited = { TELEGRAM_CHATS_PER_ADDER: "Infinity" };
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token, ...unlimited }, () => void createTelegramBotFromEnv());
  for (const number of ["0", "-1", "1.5", "many"]) {
    const bad = { TELEGRAM_CHAT_TYPES: "private,everyone", TELEGRAM_CHATS_PER_ADDER: number };
    await withEnvironment({ TELEGRAM_BOT_TOKEN: token, ...bad }, () => {
      const text = mistakes();
      assert.match(
        text,
        /TELEGRAM_CHAT_TYPES must be a list of one or more of private, .*"private,everyone"/,
      );
      assert.match(
        text,
        /TELEGRAM_CHATS_PER_ADDER must be a whole number above 0, or Infinity: current value is/,
      );
    });
  }
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token }, () => {
    for (const chatTypes of [[], "private", ["dm"]]) {
      assert.match(mistakes({ chatTypes: chatTypes as never }), "chatTypes must be a list of one or more of");
    }
    const odd: readonly [object, string][] = [
      [{ chatTypes: ["private", "grup"] }, 'channel: at index 1 it is "grup" (did you mean "group"?).'],
      [{ chatTypes: "privat" }, 'channel: current value is "privat" (did you mean "private"?).'],
      [{ chatTypes: "private,group" }, '"private,group" (did you mean ["private","group"]?).'],
      [{ chatTypes: [] }, "channel: it is empty."],
      [{ chatTypes: { private: true } }, "channel: current value is an object (Object)."],
      [{ allowedUsers: ["@ada"] }, 'which lets everyone in: at index 0 it is "@ada".'],
      [{ allowedUsers: [1, "-1001"] }, 'at index 1 it is "-1001" (did you mean -1001?).'],
      [{ allowedUsers: "1,2" }, 'current value is "1,2" (did you mean [1,2]?).'],
      [{ allowedUsers: "1, @ada" }, 'current value is "1, @ada", of which "@ada" is none.'],
      [{ allowedUsers: [0] }, "which lets everyone in: at index 0 it is 0."],
      [{ allowedUsers: [1, 0.5] }, "at index 1 it is 0.5."],
      [{ allowedUsers: [-(2 ** 52)] }, "at index 0 it is -4503599627370496."],
      [{ allowedUsers: [token] }, 'at index 0 it is "<token>".'],
    ];
    for (const [options, words] of odd) {
      const text = mistakes(options);
      assert.ok(text.endsWith(words), text);
    }
    assert.match(mistakes({ chatsPerAdder: "3" as never }), "chatsPerAdder must be a whole number above 0");
  });
});

test("the token is all that it needs", async () => {
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token }, () => {
    assert.is(createTelegramBotFromEnv().grammy.token, token);
  });
});

test("a missing token names the variable and where tokens come from", async () => {
  for (const variables of [{}, { TELEGRAM_BOT_TOKEN: "" }]) {
    await withEnvironment(variables as Record<string, string>, () => {
      assert.match(mistakes(), /TELEGRAM_BOT_TOKEN is not set.*@BotFather/);
    });
  }
});

test("a malformed token is never shown", async () => {
  for (
    const bad of ["topsecret", '"123:AAtopsecret"', "123:AAtopsecret ", "bot123:topsecret", "123:top/secret"]
  ) {
    await withEnvironment({ TELEGRAM_BOT_TOKEN: bad }, () => {
      const message = mistakes();
      assert.match(message, "TELEGRAM_BOT_TOKEN must be");
      assert.not.match(message, "secret");
    });
  }
});

test("a list of allowed users that is set, and blank, opens the bot to nobody: it is a mistake", async () => {
  for (const blank of ["", " ", " , "]) {
    await withEnvironment({ TELEGRAM_BOT_TOKEN: token, TELEGRAM_ALLOWED_USERS: blank }, () => {
      assert.match(
        mistakes(),
        /^TELEGRAM_ALLOWED_USERS must be a list of chat ids.*, or unset, which lets everyone in/,
      );
    });
  }
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token, TELEGRAM_ALLOWED_USERS: "everyone" }, () => {
    assert.instance(createTelegramBotFromEnv({ useDynamoDB: false }), MeanReversionTelegramBot);
  });
});

test("every mistake is said at once, by the names that the user knows", async () => {
  const bad = {
    TELEGRAM_BOT_TOKEN: "nonsense",
    TELEGRAM_CHATS_TABLE: "a b",
    AWS_REGION: "Frankfurt",
    TELEGRAM_AUTO_REGISTER: "maybe",
    TELEGRAM_API_ROOT: "ftp://example.org",
  };
  await withEnvironment(bad, () => {
    const message = mistakes({ messagesPerSecond: -1 });
    for (const name of [...Object.keys(bad), "messagesPerSecond"]) assert.match(message, name);
    for (const value of ["a b", "Frankfurt", "maybe", "ftp://example.org", "-1"]) {
      assert.match(message, value);
    }
    assert.is(message.split("\n").length, 6);
  });
});

test("a token in the wrong place is not shown either", async () => {
  const api = `https://api.telegram.org/bot${token}`;
  const bad = { TELEGRAM_BOT_TOKEN: token, TELEGRAM_API_ROOT: api, TELEGRAM_CHATS_TABLE: `${token} ` };
  await withEnvironment(bad, () => {
    const message = mistakes();
    assert.match(
      message,
      "TELEGRAM_API_ROOT must be an http or https address, as a text, without a / or the token at its end, and without a name and a password",
    );
    assert.match(
      message,
      'TELEGRAM_CHATS_TABLE must be 3 to 255 letters, digits, _, . and -: current value is "<token> "',
    );
    assert.not.match(message, "AAsecret");
  });
});

test("options of the wrong type are mistakes, as they would be read as the opposite", async () => {
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token }, () => {
    const options = { autoRegisterChats: "false", useDynamoDB: "false" } as unknown as Partial<BotOptions>;
    assert.equal(mistakes(options).split("\n"), [
      'useDynamoDB must be true or false: current value is "false".',
      'autoRegisterChats must be true or false: current value is "false".',
    ]);
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const texts = ["tableName", "regionName", "apiRoot"];
    for (const value of [5n, null, 12345, ["us-east-1"], circular, Symbol("x"), new URL("http://a.b/c")]) {
      const odd = Object.fromEntries(texts.map((name) => [name, value]));
      const message = mistakes(odd as unknown as Partial<BotOptions>);
      assert.is(message.split("\n").length, 3, message);
      for (const name of texts) assert.match(message, `${name} must be`);
    }
    for (const apiRoot of ["http://127.0.0.1/?x=1", "http://127.0.0.1 ", "http://", "http://a/#b"]) {
      assert.match(mistakes({ apiRoot }), "apiRoot must be");
    }
    const parts = { logger: {}, storage: {}, client: {} } as unknown as Partial<BotOptions>;
    assert.is(mistakes(parts).split("\n").length, 3);
    const keys = { secretAccessKey: "wJalr-secret", credentials: { secretAccessKey: "wJalr-secret" } };
    const message = mistakes({ client: keys, storage: [keys] } as unknown as Partial<BotOptions>);
    assert.match(message, "client must be a DynamoDBClient: current value is an object (Object).");
    assert.not.match(message, "wJalr");
  });
  for (const nothing of [undefined, null, "token"]) {
    assert.throws(
      () => new MeanReversionTelegramBot(nothing as unknown as BotOptions),
      (error: Error) =>
        error instanceof ConfigError && error.message.includes("The options must be an object"),
    );
  }
});

test("an option beats its variable, which then need not even be right", async () => {
  const bad = { TELEGRAM_BOT_TOKEN: "x", TELEGRAM_CHATS_TABLE: "/", TELEGRAM_AUTO_REGISTER: "maybe" };
  await withEnvironment(bad, () => {
    const options = { botToken: token, tableName: "chats", autoRegisterChats: false };
    assert.is(createTelegramBotFromEnv(options).grammy.token, token);
    assert.match(mistakes({ ...options, tableName: "/" }), /^tableName must be/);
    assert.match(mistakes({ ...options, botToken: "" }), /^botToken is not set/);
  });
});

test("an option that is undefined leaves its variable in force", async () => {
  const options = { botToken: undefined, tableName: undefined } as unknown as Partial<BotOptions>;
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token }, () => {
    assert.is(createTelegramBotFromEnv(options).grammy.token, token);
  });
});

for (const value of ["true", "TRUE", "1", "yes", "on", "false", "False", "0", "no", "off", ""]) {
  test(`TELEGRAM_AUTO_REGISTER=${value} is one of the two`, async () => {
    const variables = { TELEGRAM_BOT_TOKEN: token, TELEGRAM_AUTO_REGISTER: value };
    await withEnvironment(variables, () => void createTelegramBotFromEnv());
  });
}

for (const value of ["maybe", "2", "tru", "constructor", "toString", "__proto__", "valueOf"]) {
  test(`TELEGRAM_AUTO_REGISTER=${value} is refused, with the rule and the value`, async () => {
    const variables = { TELEGRAM_BOT_TOKEN: token, TELEGRAM_AUTO_REGISTER: value };
    await withEnvironment(variables, () => {
      const message = mistakes();
      assert.match(message, "TELEGRAM_AUTO_REGISTER must be true or false");
      assert.match(message, JSON.stringify(value));
    });
  });
}

test(".env is read, silently, and overrides nothing", async () => {
  const dotenv = `TELEGRAM_BOT_TOKEN=${token}\nTELEGRAM_CHATS_TABLE="not / good"\nAWS_REGION=us-east-1\n`;
  const { log, error, warn } = console;
  const printed: unknown[] = [];
  console.log = console.error = console.warn = (...words: unknown[]) => void printed.push(words);
  try {
    await withEnvironment({ AWS_REGION: "Paris" }, () => {
      const message = mistakes();
      assert.match(message, "TELEGRAM_CHATS_TABLE");
      assert.match(message, "Paris");
      assert.not.match(message, "TELEGRAM_BOT_TOKEN");
    }, dotenv);
  } finally {
    Object.assign(console, { log, error, warn });
  }
  assert.equal(printed, []);
});

test("a variable that is spelt nearly as ours is a mistake, wherever it stands", async () => {
  const near = { TELEGRAM_CHAT_TABLE: "x", TELEGRAM_ALLOWED_USER: "1", TELEGRAM_AUTOREGISTER: "no" };
  await withEnvironment({ TELEGRAM_BOT_TOKEN: token, ...near }, () => {
    assert.equal(mistakes({ useDynamoDb: false } as Partial<BotOptions>).split("\n").sort(), [
      "TELEGRAM_ALLOWED_USER is not a variable of the bot: did you mean TELEGRAM_ALLOWED_USERS?",
      "TELEGRAM_AUTOREGISTER is not a variable of the bot: did you mean TELEGRAM_AUTO_REGISTER?",
      "TELEGRAM_CHAT_TABLE is not a variable of the bot: did you mean TELEGRAM_CHATS_TABLE?",
      "useDynamoDb is not an option: did you mean useDynamoDB?",
    ]);
  });
  await withEnvironment({}, () => {
    assert.equal(mistakes().split("\n").map((each) => each.split(":")[0]), [
      "TELEGRAM_BOT_TOKN is not a variable of the bot",
      "TELEGRAM_BOT_TOKEN is not set",
    ]);
  }, `TELEGRAM_BOT_TOKN=${token}\n`);
});

test("each variable of ours with a letter changed names the one that was meant", async () => {
  const ends = ours.filter((name) => name.startsWith("TELEGRAM_")).map((name) =>
    name.slice("TELEGRAM_".length)
  );
  const cases = fc.constantFrom(...ends).chain((end) =>
    fc.tuple(fc.constant(end), fc.nat(end.length - 1), fc.constantFrom("", "Q", "_", "7"))
  );
  await fc.assert(
    fc.asyncProperty(cases, async ([end, at, letter]) => {
      const name = `TELEGRAM_${end.slice(0, at)}${letter}${end.slice(at + 1)}`;
      fc.pre(name !== `TELEGRAM_${end}`);
      const given = end === "BOT_TOKEN" ? {} : { TELEGRAM_BOT_TOKEN: token };
      await withEnvironment({ ...given, [name]: "x" }, () => {
        assert.match(mistakes(), `${name} is not a variable of the bot: did you mean TELEGRAM_${end}?`);
      });
    }),
    { numRuns: 60 },
  );
});

test("other programs' variables are left alone, and a second one of ours beside the first", async () => {
  const others = {
    ...{ TELEGRAM_API_ID: "1", TELEGRAM_API_HASH: "x", TELEGRAM_API_URL: "x", TELEGRAM_CHAT_ID: "1" },
    ...{ TELEGRAM_WEBHOOK_URL: "x", TELEGRAM_WEBHOOK_SECRET: "x", TELEGRAM_CHAT_TYPEZ: "" },
    ...{ TELEGRAM_BOT_TOKEN_2: token, MY_TELEGRAM_BOT_TOKN: "x" },
  };
  await withEnvironment({ ...others, TELEGRAM_BOT_TOKEN: token }, () => {
    assert.is(createTelegramBotFromEnv().grammy.token, token);
  });
  await withEnvironment(others, () => {
    assert.is(createTelegramBotFromEnv({ botToken: token }).grammy.token, token);
    assert.match(mistakes(), "TELEGRAM_BOT_TOKEN_2 is not a variable of the bot");
  });
});

test("options are an object, and may be one of a class", async () => {
  await withEnvironment({}, () => {
    assert.match(mistakes(token as never), /^The options must be an object .*<token>/);
    class Options {
      readonly _botToken = token;
      get botToken(): string {
        return this._botToken;
      }
    }
    assert.is(createTelegramBotFromEnv(new Options()).grammy.token, token);
  });
});

test("the variables alone lead to the server, the table and the rule that they name", async () => {
  for (const [autoRegister, greetings] of [["true", 1], ["off", 0]] as const) {
    await withBotOverHttp(async ({ server, gate, settled }) => {
      const variables = {
        TELEGRAM_BOT_TOKEN: server.token,
        TELEGRAM_API_ROOT: server.apiRoot,
        TELEGRAM_AUTO_REGISTER: autoRegister,
        AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
        AWS_ACCESS_KEY_ID: "local",
        AWS_SECRET_ACCESS_KEY: "local",
      };
      await withEnvironment(variables, async () => {
        await using bot = createTelegramBotFromEnv({ logger: new Logs() });
        assert.is((await bot.initialize()).storage, "dynamodb");
        await bot.startBot();
        const user = server.user();
        user.say("hello");
        await settled();
        assert.is(said(user).length, greetings);
      });
    }, { state: "made" });
  }
});

test("the table and the region of the environment are those that a refusal names", async () => {
  await withBotOverHttp(async ({ server, gate }) => {
    const variables = {
      TELEGRAM_BOT_TOKEN: server.token,
      TELEGRAM_API_ROOT: server.apiRoot,
      TELEGRAM_CHATS_TABLE: "another-table",
      AWS_REGION: "eu-central-1",
      AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
    };
    const logs = new Logs();
    await withEnvironment(variables, async () => {
      await using bot = createTelegramBotFromEnv({ logger: logs });
      assert.is((await bot.initialize()).storage, "memory");
      assert.match(logs.of("error")[0] ?? "", 'table "another-table"');
      const scoped = gate.fail({
        status: 400,
        type: "InvalidSignatureException",
        message: "not a valid region",
      });
      await using second = createTelegramBotFromEnv({ logger: logs, tableName: "telegram-chats" });
      await second.initialize();
      assert.match(logs.of("error")[1] ?? "", 'region "eu-central-1"');
      scoped.clear();
    });
    assert.ok(gate.log.some(({ table }) => table === "another-table"));
  }, { state: "made", mayTrespass: true });
});

test.run();
