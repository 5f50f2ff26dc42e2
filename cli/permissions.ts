/**
 * Under Deno: asks for the permissions of a program that was started without them, or says how to start it. Elsewhere it
 * does nothing.
 */
import { commandLine, type PermissionSet, quoted } from "./command_line.ts";

/** The parts of Deno's API that are used. */
interface Deno {
  readonly args: readonly string[];
  readonly permissions: Readonly<
    Record<"querySync" | "requestSync", (descriptor: object) => { readonly state: string }>
  >;
  readonly stdin: { isTerminal(): boolean };
  readonly stderr: { isTerminal(): boolean };
  exit(code: number): never;
}

const { Deno } = globalThis as { Deno?: Deno };

/** A permission, and what it is for. */
type Request = readonly [descriptor: Readonly<Record<string, string>>, purpose: string];

/** What a program that uses a bot needs. One request cannot name several hosts, variables or files. */
const requests: readonly Request[] = [
  [{ name: "env" }, "Its settings are environment variables: TELEGRAM_*, AWS_*, and those of a proxy."],
  [
    { name: "net" },
    "It calls Telegram and DynamoDB, and the services that give credentials to a role of AWS.",
  ],
  [{ name: "read" }, "It reads .env, and the AWS SDK reads its files in ~/.aws."],
  [{ name: "sys", kind: "osRelease" }, "The AWS SDK tells AWS the system's version."],
];

/**
 * Ends the program where it may not do what it has to: with a line on standard error that says what to type, and status 1.
 * `-P=sandbox` is for what starts programs and loads native code, which nobody can allow in part: it is not asked for.
 */
export function requirePermissions(set: PermissionSet): void {
  if (Deno === undefined) return;
  const { args, permissions, stdin, stderr, exit } = Deno;
  // Permissions that are given in the command are the user's choice.
  const first = set === "-P" ? { name: "env", variable: "TELEGRAM_BOT_TOKEN" } : { name: "run" };
  if (permissions.querySync(first).state === "granted") return;
  const command = [commandLine(set), ...args.map(quoted)].join(" ");
  if (set === "-P" && stdin.isTerminal() && stderr.isTerminal() && askFor(command, permissions)) return;
  console.error(`This program needs permissions: ${command}`);
  exit(1);
}

/** Whether the user grants all of them. */
function askFor(command: string, { requestSync }: Deno["permissions"]): boolean {
  console.error(`Deno asks ${requests.length} questions. To be asked nothing, and to allow less: ${command}`);
  return requests.every(([descriptor, purpose]) => {
    console.error(`\n${purpose}`);
    return requestSync(descriptor).state === "granted";
  });
}
