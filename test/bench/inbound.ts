/** How many messages a second a bot keeps where DynamoDB takes 5 ms to answer, and by how many requests. */
import { type RunningServer, startServer } from "./processes.ts";
import { type InboundBotName, keyOf } from "./inbound_bots.ts";
import type { Pattern, TurnResult } from "./inbound_server.ts";
import { comparison, type Row, type Target } from "./report.ts";
import { takeTurns } from "./sampling.ts";

const rounds = 5;
/** About as long for each; one that awaits every write is slow. */
const messagesATurn: Readonly<Record<InboundBotName, number>> = {
  "ours": 3000,
  "plain grammY": 400,
  "grammY runner": 3000,
  "grammY runner, our client": 3000,
};
const burst = 1000;

interface Figures {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
  readonly requests: number;
}
type Turns = Record<InboundBotName, Figures[]>;

/** A bot in a process of its own, and the server that its messages come from. */
class MeasuredBot {
  readonly #name: InboundBotName;
  readonly #server: RunningServer;
  readonly #process: RunningServer;

  constructor(name: InboundBotName, server: RunningServer, process: RunningServer) {
    this.#name = name;
    this.#server = server;
    this.#process = process;
  }

  /** Hands the bot so many messages. All figures but `perSecond` are per message. */
  async receive(pattern: Pattern, messages: number): Promise<Figures> {
    const cpuSeconds = await this.#cpuSeconds();
    const turn = { name: keyOf(this.#name), pattern, messages };
    const answer = await fetch(`${this.#server.endpoint}/turn`, {
      method: "POST",
      body: JSON.stringify(turn),
    });
    if (!answer.ok) throw new Error(await answer.text());
    const { seconds, requests } = await answer.json() as TurnResult;
    return {
      perSecond: messages / seconds,
      cpuMicroseconds: 1e6 * (await this.#cpuSeconds() - cpuSeconds) / messages,
      requests: requests / messages,
    };
  }

  async #cpuSeconds(): Promise<number> {
    return Number(await (await fetch(this.#process.endpoint)).text());
  }
}

async function compare(all: Record<InboundBotName, MeasuredBot>, pattern: Pattern): Promise<Turns> {
  const turnOf = (name: InboundBotName) => (): Promise<Figures> =>
    all[name].receive(pattern, messagesATurn[name]);
  return await takeTurns(rounds, {
    "ours": turnOf("ours"),
    "plain grammY": turnOf("plain grammY"),
    "grammY runner": turnOf("grammY runner"),
    "grammY runner, our client": turnOf("grammY runner, our client"),
  });
}

function compareBy(
  figure: "perSecond" | "cpuMicroseconds",
  pattern: Pattern,
  turns: Turns,
  other: InboundBotName,
  target?: Target,
): Row {
  const of = (name: InboundBotName): number[] => turns[name].map((figures) => figures[figure]);
  const [what, unit] = figure === "perSecond" ? ["", "/s"] as const : [": CPU a message", " µs"] as const;
  return comparison(
    `inbound, ${pattern}${what}`,
    unit,
    of("ours"),
    { name: other, values: of(other) },
    target,
  );
}

const atLeast = (value: number): Target => ({ of: "ratio", is: "at least", value });

function requestsRow({ requests }: Figures, other: Figures): Row {
  return {
    measure: "inbound, a burst from one chat: requests a message",
    unit: "",
    ours: requests,
    other: { name: "plain grammY", value: other.requests },
    target: { of: "ours", is: "at most", value: 0.1 },
  };
}

export async function measure(): Promise<Row[]> {
  await using server = await startServer("inbound_server");
  const start = (name: InboundBotName) => startServer("inbound_bot", name, server.endpoint);
  await using ours = await start("ours");
  await using plain = await start("plain grammY");
  await using runner = await start("grammY runner");
  await using runnerOurs = await start("grammY runner, our client");
  const all = {
    "ours": new MeasuredBot("ours", server, ours),
    "plain grammY": new MeasuredBot("plain grammY", server, plain),
    "grammY runner": new MeasuredBot("grammY runner", server, runner),
    "grammY runner, our client": new MeasuredBot("grammY runner, our client", server, runnerOurs),
  };
  const apart = await compare(all, "another chat each");
  const tens = await compare(all, "ten of each chat");
  return [
    compareBy("perSecond", "another chat each", apart, "plain grammY", atLeast(10)),
    compareBy("perSecond", "another chat each", apart, "grammY runner", atLeast(0.8)),
    compareBy("perSecond", "another chat each", apart, "grammY runner, our client"),
    compareBy("cpuMicroseconds", "another chat each", apart, "grammY runner"),
    compareBy("perSecond", "ten of each chat", tens, "plain grammY", atLeast(30)),
    compareBy("perSecond", "ten of each chat", tens, "grammY runner"),
    compareBy("cpuMicroseconds", "ten of each chat", tens, "grammY runner"),
    requestsRow(
      await all.ours.receive("one chat", burst),
      await all["plain grammY"].receive("one chat", burst / 10),
    ),
  ];
}
