/**
 * Under Deno: asks for the permissions of a script that was started without `-P`, or says how to start it. It is the
 * script's first import, as packages read the environment while they are loaded. Elsewhere it does nothing.
 */
import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The parts of Deno's API that are used. */
interface Deno {
  readonly mainModule: string;
  readonly permissions: Readonly<
    Record<"querySync" | "requestSync", (descriptor: object) => { readonly state: string }>
  >;
  readonly stdin: { isTerminal(): boolean };
  readonly stderr: { isTerminal(): boolean };
  cwd(): string;
  exit(code: number): never;
}

const { Deno } = globalThis as { Deno?: Deno };

/** A permission, and what it is for. */
type Request = readonly [descriptor: Readonly<Record<string, string>>, purpose: string];

/** What a script that uses a bot needs. One request cannot name several hosts, variables or files. */
const requests: readonly Request[] = [
  [{ name: "env" }, "Its settings are environment variables: TELEGRAM_*, AWS_*, and those of a proxy."],
  [
    { name: "net" },
    "It calls Telegram and DynamoDB, and the services that give credentials to a role of AWS.",
  ],
  [{ name: "read" }, "It reads .env, and the AWS SDK reads its files in ~/.aws."],
  [{ name: "sys", kind: "osRelease" }, "The AWS SDK tells AWS the system's version."],
];

/** These start programs and load native code, which nobody can allow in part: they only say how to start them. */
const sandboxed: readonly string[] = ["sandbox.ts", "playground.ts"];

function requirePermissions({ mainModule, permissions, stdin, stderr, cwd, exit }: Deno): void {
  const path = fileURLToPath(mainModule);
  const script = basename(path);
  const isSandboxed = sandboxed.includes(script);
  // Permissions that are given in the command are the user's choice.
  const first = isSandboxed ? { name: "run" } : { name: "env", variable: "TELEGRAM_BOT_TOKEN" };
  if (permissions.querySync(first).state === "granted") return;
  const command = `deno run ${isSandboxed ? "-P=sandbox" : "-P"} ${relative(cwd(), path)}`;
  const isAsked = !isSandboxed && stdin.isTerminal() && stderr.isTerminal();
  if (isAsked && askFor(command, permissions)) return;
  console.error(`This script needs permissions: ${command}`);
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

if (Deno !== undefined) requirePermissions(Deno);
