/**
 * Loads the file `.env`. What it holds is data for this toolkit: the file may have come with a folder of somebody else's, so
 * that nothing in it may lead a token, a key or a file elsewhere, or run a program.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { config, parse } from "dotenv";
import { attempt } from "../util/async.ts";
import { isThisMachine } from "../util/http/connections.ts";
import { allProxyVariables } from "../util/http/proxy.ts";
import { assertNoMistakes } from "../util/validate.ts";

export type Variables = Readonly<Record<string, string>>;

/** How the file is loaded. */
export interface EnvFileOptions {
  /** Variables in the file that are passed over by their names: neither loaded nor a mistake. Default: none. */
  readonly except?: RegExp;
}

/** What a bot is given in place of variables. */
export interface GivenInstead {
  readonly botToken?: string | undefined;
  readonly apiRoot?: string | undefined;
  readonly client?: object | undefined;
}

/**
 * Loads the file `.env` in the current folder into the environment, as `createTelegramBotFromEnv` does, for a program that
 * makes no bot. A variable that is set is never overridden; those of runtimes, shells and loaders, such as NODE_OPTIONS or
 * PATH, are left out. Of AWS there may be AWS_REGION, keys, AWS_PROFILE, and an endpoint for these keys.
 * @throws {ConfigError} Naming every variable in the file that must not stand there.
 */
export function loadEnvFile(options: EnvFileOptions = {}): void {
  loadVariables({}, options);
}

/** The same for a bot. Returns the variables in the file. */
export function loadVariables(given: GivenInstead, { except = /(?!)/ }: EnvFileOptions = {}): Variables {
  const file = upperCaseOnWindows(config({ quiet: true, processEnv: {} }).parsed ?? {});
  const isMeant = (name: string): boolean => !except.test(name);
  const scene = new Scene(file, given);
  assertNoMistakes(scene.names.filter(isMeant).flatMap((name) => mistakesIn(name, scene)));
  // An address for which an option stands may be one that must not count.
  const isRootGood = apiRootMistakes(scene).length === 0;
  const isLoaded = (name: string): boolean =>
    isMeant(name) && !isRefused(name) && !ofRuntimes.test(name) && (name !== apiRoot || isRootGood);
  populate(Object.fromEntries(Object.entries(file).filter(([name]) => isLoaded(name))));
  return file;
}

function populate(variables: Variables): void {
  for (const [name, value] of Object.entries(variables)) {
    if (valueOf(name) === undefined) attempt(() => process.env[name] = value, undefined);
  }
  loaded.set(JSON.stringify(variables), new EnvFile([variables]));
}

// What may stand in the file.

const [apiRoot, botToken] = ["TELEGRAM_API_ROOT", "TELEGRAM_BOT_TOKEN"] as const;
const [accessKey, secretKey, sessionToken] = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
] as const;
const profile = "AWS_PROFILE";
const endpointOfDynamoDB = "AWS_ENDPOINT_URL_DYNAMODB";
/** The second one is that of every service, those that give credentials included. */
const endpoints: readonly string[] = [endpointOfDynamoDB, "AWS_ENDPOINT_URL"];

const allowedOfAWS: readonly string[] = [
  ...["AWS_REGION", accessKey, secretKey, sessionToken, profile, ...endpoints],
  "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED",
];

/**
 * A proxy sees what goes to an address without TLS, and all where certificates are not checked: it belongs to the machine,
 * not to the folder. NO_PROXY leads nothing astray.
 */
const refused: readonly string[] = ["NODE_TLS_REJECT_UNAUTHORIZED", ...allProxyVariables];

/** The AWS SDK reads files, runs programs and asks hosts that such variables name; others are a project's own. */
const leadsAWS =
  /^AWS_.*(?:FILE|URI|URL|ENDPOINT|BUNDLE|DIRECTORY|ARN|TOKEN|METADATA|CREDENTIAL|PROCESS|CONFIGURED|PROFILE)/;

const isRefused = (name: string): boolean =>
  refused.includes(name) || (leadsAWS.test(name) && !allowedOfAWS.includes(name));

/**
 * Variables of runtimes, shells, loaders and interpreters, and of where they find programs, code, caches and certificates.
 * Most would do nothing in this process, and run code in its children.
 */
const ofRuntimes = new RegExp(
  [
    "^(?:NODE|DENO|BUN|TSX|ESBUILD|DOTENV|npm_config|NPM_CONFIG|LD|DYLD|GCONV|GLIBC|OPENSSL|SSL_CERT|XDG)_(?!ENV$)",
    "^PYTHON[A-Z]|^PERL(?:5|LIB)|^RUBY(?:OPT|LIB)$|^(?:JAVA_TOOL|_JAVA|JDK_JAVA)_OPTIONS$",
    "^(?:BASH_ENV|BASHOPTS|SHELLOPTS|PS4|SHELL|COMSPEC|SYSTEMROOT|WINDIR|PATH|PATHEXT)$",
    "^(?:HOME|HOMEDRIVE|HOMEPATH|USERPROFILE|APPDATA|LOCALAPPDATA|TMPDIR|TMP|TEMP)$",
    "^(?:CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|SSLKEYLOGFILE)$",
  ].join("|"),
);

// Mistakes.

function mistakesIn(name: string, scene: Scene): string[] {
  if (!scene.isOfFile(name)) return [];
  // What else the environment has of these is the machine's own, though the file may repeat it; but Bun loads the file.
  const isSet = valueOf(name) !== undefined;
  const isOfMachine = isSet && bun === undefined &&
    (allProxyVariables.includes(name) || ofRuntimes.test(name)) &&
    !name.startsWith("DOTENV_");
  const isInForce = isRefused(name) || (ofRuntimes.test(name) && isSet);
  if (isInForce && (!isOfMachine || name === "NODE_TLS_REJECT_UNAUTHORIZED")) {
    return [`${name} in .env does not count: set it in the environment alone.`];
  }
  if (name === apiRoot) return scene.given.apiRoot === undefined ? apiRootMistakes(scene) : [];
  if (endpoints.includes(name)) return endpointMistakes(name, scene);
  if (name !== profile || /^[\w+=,.@:/-]+$/.test(scene.valueInForce(name))) return [];
  return [`${name} in .env must be the name of a profile: else set it in the environment.`];
}

function apiRootMistakes(scene: Scene): string[] {
  if (!scene.isOfFile(apiRoot)) return [];
  const token = scene.given.botToken ?? scene.valueInForce(botToken);
  const isOwn = token === "" || scene.isOfSameFile(apiRoot, { [botToken]: token });
  return [
    ...isOwn ? [] : [
      `${apiRoot} in .env counts only for a ${botToken} in .env, and the token is from ` +
      `elsewhere: set both in the environment alone, or both in .env.`,
    ],
    ...inTheClear(apiRoot, scene),
  ];
}

/** A request to DynamoDB holds the session's token and a signature; STS gets a file's content. */
function endpointMistakes(name: string, scene: Scene): string[] {
  const { valueInForce, given } = scene;
  if (name === endpointOfDynamoDB && isHere(valueInForce(name))) return [];
  const session = valueInForce(sessionToken);
  const isOwn = given.client === undefined && valueInForce(profile) === "" && scene.isOfSameFile(name, {
    [accessKey]: valueInForce(accessKey),
    [secretKey]: valueInForce(secretKey),
    ...session !== "" && { [sessionToken]: session },
  });
  return [
    ...isOwn ? [] : [
      `${name} in .env counts only for an ${accessKey} and an ${secretKey} in .env, and the credentials are from ` +
      `elsewhere: set all of them in the environment alone, or all in .env.`,
    ],
    ...inTheClear(name, scene),
  ];
}

/** A sentence if the address has no TLS, and is there by the file alone. */
function inTheClear(name: string, { valueInForce }: Scene): string[] {
  const address = valueInForce(name);
  const isClear = URL.canParse(address) && new URL(address).protocol !== "https:" && !isHere(address);
  if (!isClear || (valueOf(name) !== undefined && bun === undefined)) return [];
  return [
    `${name} in .env must be an https address, or one of this machine: else set it in the environment.`,
  ];
}

const isHere = (address: string): boolean => URL.canParse(address) && isThisMachine(new URL(address));

// Which variables are from the file.

/** The file that is to be loaded, and those that may already be in the environment. */
class Scene {
  readonly given: GivenInstead;
  readonly #file: Variables;
  readonly #files: readonly EnvFile[];

  constructor(file: Variables, given: GivenInstead) {
    this.given = given;
    this.#file = file;
    this.#files = [...loaded.values(), ...filesOfOthers(), new EnvFile([file])];
  }

  /** Every variable that one of the files names. */
  get names(): readonly string[] {
    return [...new Set(this.#files.flatMap(({ names }) => names))];
  }

  /** What the variable is once the file is loaded; empty where it is not set. */
  readonly valueInForce = (name: string): string => valueOf(name) ?? this.#file[name] ?? "";

  /** Whether the value in force is, or may be, the file's: another loader may have put it into the environment before us. */
  readonly isOfFile = (name: string): boolean => {
    const value = this.valueInForce(name);
    return value !== "" &&
      (valueOf(name) === undefined || this.#files.some((file) => file.mayHave(name, value)));
  };

  /** Whether the file that this variable is from has all these, too. */
  isOfSameFile(name: string, others: Variables): boolean {
    const files = valueOf(name) === undefined ? this.#files.slice(-1) : this.#files;
    return files.some((file) =>
      file.mayHave(name, this.valueInForce(name)) &&
      Object.entries(others).every(([other, value]) => value !== "" && file.has(other, value))
    );
  }
}

const bun = process.versions["bun"];

/** A file, or several of one folder. */
class EnvFile {
  readonly #records: readonly Variables[];
  readonly #text: string;
  readonly names: readonly string[];

  /** @param text What the file holds, where it may have been read by Bun: Bun puts variables and escapes into values. */
  constructor(records: readonly Variables[], text: string = "") {
    this.#records = records;
    this.#text = text.replaceAll("\r\n", "\n");
    const inText = [...text.matchAll(/^\s*(?:export\s+)?([\w.-]+)\s*[=:]/gm)].map(([, name = ""]) => name);
    this.names = Object.keys(
      upperCaseOnWindows(Object.assign({}, ...records, ...inText.map((name) => ({ [name]: "" })))),
    );
  }

  has(name: string, value: string): boolean {
    return this.#records.some((record) => record[name] === value);
  }

  mayHave(name: string, value: string): boolean {
    const mayBeWritten = (): boolean => this.#text.includes(value) || /[$\\]/.test(this.#text);
    return this.has(name, value) || (this.#text !== "" && this.names.includes(name) && mayBeWritten());
  }
}

/** What this module has loaded. */
const loaded = new Map<string, EnvFile>();

/** Bun reads these by itself before any code runs, and which of them depends on NODE_ENV. */
const namesOfBun = ["", ".development", ".production", ".test"]
  .flatMap((mode) => [`.env${mode}`, `.env${mode}.local`]);
const startFolder = bun === undefined ? "" : process.cwd();

/** The files in the current folder that another loader has read, or may have: Bun, `dotenv/config`, a shell. */
function filesOfOthers(): readonly EnvFile[] {
  if (bun !== undefined) {
    if (process.execArgv.includes("--no-env-file")) return [];
    return [...new Set([startFolder, process.cwd()])].map((folder) => {
      const texts = namesOfBun.map((name) => textOf(join(folder, name)));
      return new EnvFile(texts.map((text) => upperCaseOnWindows(parse(text))), texts.join("\n"));
    });
  }
  const file = new EnvFile([upperCaseOnWindows(parse(textOf(".env")))]);
  // Where the environment names another file, this one is nobody's.
  const elsewhere = ["DOTENV_PATH", "DOTENV_CONFIG_PATH"].some((name) => {
    const path = valueOf(name);
    return path !== undefined && !file.has(name, path);
  });
  return elsewhere ? [] : [file];
}

const textOf = (path: string): string => attempt(() => readFileSync(path, "utf8"), "");

/** `undefined` also where Deno does not let the program read it. */
const valueOf = (name: string): string | undefined => attempt(() => process.env[name], undefined);

/** There a variable has one name in both cases. */
function upperCaseOnWindows(variables: Variables): Variables {
  if (process.platform !== "win32") return variables;
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name.toUpperCase(), value]));
}
