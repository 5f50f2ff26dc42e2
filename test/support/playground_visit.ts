/** A visitor of the playground subscribes, and gets a signal. The page is on this machine, and no proxy is asked for it. */
import { get, request } from "node:http";
import process from "node:process";
import { startScript } from "./script.ts";

const running = startScript(["examples/playground.ts", "--every", "0"], {}, "-P=sandbox", "tsx");
await running.printed("Ctrl-C ends it.\n");
const [address = ""] = /http:\S+/.exec(running.output) ?? [];

/** The page's events, as they come. */
let text = "";
const waiting = new Set<() => void>();
const events = get(`${address}events`, (response) => {
  response.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    for (const check of waiting) check();
  }).on("error", () => {});
}).on("error", () => {});

function told(wanted: RegExp): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => wanted.test(text) ? resolve() : undefined;
    waiting.add(check);
    check();
  });
}

function act(name: string, parameters: unknown): void {
  const headers = { "Origin": address.slice(0, -1), "Content-Type": "application/json" };
  request(`${address}actions/${name}`, { method: "POST", headers }, (response) => response.resume())
    .end(JSON.stringify(parameters));
}

await told(/"bot":"running"/);
act("say", { text: "/start" });
await told(/Welcome! You are subscribed/);
act("signal", {});
await told(/"by":"bot".*Sent to|Sent to.*"by":"bot"/);
events.destroy();
running.kill("SIGINT");
const { status, output } = await running.ended;
console.log(`${output}The visitor has a signal.`);
process.exitCode = status ?? 1;
