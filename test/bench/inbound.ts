/** How many messages a second a bot keeps where DynamoDB takes 5 ms to answer, and by how many requests. */
import { type RunningServer, startServer } from "./child.ts";
import { type ContestantName, laneNameOf } from "./contestants.ts";
import type { Taken } from "./inbound_stand_in.ts";
import { report } from "./report.ts";
import type { Row } from "./row.ts";
import { medianOf, ratioOf, takeTurns } from "./sample.ts";
import type { Pattern } from "./update_queue.ts";

const rounds = 5;
/** About as long for each; one that awaits every write is slow. */
const messagesATurn: Readonly<Record<ContestantName, number>> = {
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
type Turns = Record<ContestantName, Figures[]>;

/** A bot that is running, and where its messages come from. */
class Contestant {
  readonly #name: ContestantName;
  readonly #standIn: RunningServer;
  readonly #process: RunningServer;

  constructor(name: ContestantName, standIn: RunningServer, process: RunningServer) {
    this.#name = name;
    this.#standIn = standIn;
    this.#process = process;
  }

  /** Everything is for one message, except messages a second. */
  async keep(pattern: Pattern, messages: number): Promise<Figures> {
    const cpuSeconds = await this.#cpuSeconds();
    const turn = { name: laneNameOf(this.#name), pattern, messages };
    const answer = await fetch(`${this.#standIn.endpoint}/turn`, {
      method: "POST",
      body: JSON.stringify(turn),
    });
    if (!answer.ok) throw new Error(await answer.text());
    const { seconds, requests } = await answer.json() as Taken;
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

async function race(all: Record<ContestantName, Contestant>, pattern: Pattern): Promise<Turns> {
  const turnOf = (name: ContestantName) => (): Promise<Figures> =>
    all[name].keep(pattern, messagesATurn[name]);
  return await takeTurns(rounds, {
    "ours": turnOf("ours"),
    "plain grammY": turnOf("plain grammY"),
    "grammY runner": turnOf("grammY runner"),
    "grammY runner, our client": turnOf("grammY runner, our client"),
  });
}

function speed(pattern: Pattern, turns: Turns, other: ContestantName, atLeast?: number): Row {
  const of = (name: ContestantName): number[] => turns[name].map(({ perSecond }) => perSecond);
  return {
    measure: `inbound, ${pattern}`,
    unit: "/s",
    ours: medianOf(of("ours")),
    other: { name: other, value: medianOf(of(other)) },
    ratio: ratioOf(of("ours"), of(other)),
    ...(atLeast !== undefined && { target: { of: "ratio", is: "at least", value: atLeast } }),
  };
}

function cpu(pattern: Pattern, turns: Turns, other: ContestantName): Row {
  const of = (name: ContestantName): number[] => turns[name].map(({ cpuMicroseconds }) => cpuMicroseconds);
  return {
    measure: `inbound, ${pattern}: CPU a message`,
    unit: " µs",
    ours: medianOf(of("ours")),
    other: { name: other, value: medianOf(of(other)) },
    ratio: ratioOf(of("ours"), of(other)),
  };
}

function requestsRow({ requests }: Figures, other: Figures): Row {
  return {
    measure: "inbound, a burst from one chat: requests a message",
    unit: "",
    ours: requests,
    other: { name: "plain grammY", value: other.requests },
    target: { of: "ours", is: "at most", value: 0.1 },
  };
}

await report(async () => {
  await using standIn = await startServer("inbound_server.ts");
  const start = (name: ContestantName) => startServer("contestant.ts", name, standIn.endpoint);
  await using ours = await start("ours");
  await using plain = await start("plain grammY");
  await using runner = await start("grammY runner");
  await using runnerOurs = await start("grammY runner, our client");
  const all = {
    "ours": new Contestant("ours", standIn, ours),
    "plain grammY": new Contestant("plain grammY", standIn, plain),
    "grammY runner": new Contestant("grammY runner", standIn, runner),
    "grammY runner, our client": new Contestant("grammY runner, our client", standIn, runnerOurs),
  };
  const apart = await race(all, "another chat each");
  const tens = await race(all, "ten of each chat");
  return [
    speed("another chat each", apart, "plain grammY", 10),
    speed("another chat each", apart, "grammY runner", 0.8),
    speed("another chat each", apart, "grammY runner, our client"),
    cpu("another chat each", apart, "grammY runner"),
    speed("ten of each chat", tens, "plain grammY", 30),
    speed("ten of each chat", tens, "grammY runner"),
    cpu("ten of each chat", tens, "grammY runner"),
    requestsRow(
      await all.ours.keep("one chat", burst),
      await all["plain grammY"].keep("one chat", burst / 10),
    ),
  ];
});
