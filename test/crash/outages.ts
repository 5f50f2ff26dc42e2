/** Each outage: people go on talking through it, and afterwards the table holds what it would have held without it. */
import type { FaultGate } from "../../lib/local/mod.ts";

export interface Outage {
  readonly name: string;
  /** Whether it is there when the bot starts, or begins while it works. */
  readonly when: "at the start" | "in the middle";
  /** Makes it so. */
  begin(gate: FaultGate): void;
  /**
   * What a person at the console sees of it: one message when it begins and one when it ends; or as many of the one as
   * of the other, but far fewer than there were updates, where some requests get through; or nothing has to be seen,
   * as the bot can do its work without what is missing.
   */
  readonly told: "once" | "in pairs" | "perhaps";
  /** One that is shorter passes unnoticed, as a request is made again when it is not answered in time. */
  readonly lastsAtLeastMs?: number;
}

const refuse = (gate: FaultGate): void => void gate.refuse();
const hang = (gate: FaultGate): void => void gate.hang();
const throttleHalf = (gate: FaultGate): void => void gate.throttle({ share: 0.5 });
const loseAll = (gate: FaultGate): void => void gate.loseAnswers();
const loseSome = (gate: FaultGate): void => void gate.loseAnswers({ share: 0.3 });
const failAll = (gate: FaultGate): void =>
  void gate.fail({ status: 500, type: "InternalServerError", message: "The request could not be processed" });
const deny = (action?: string) => (gate: FaultGate): void => void gate.deny(action);

export const outages: readonly Outage[] = [
  { name: "down", when: "at the start", begin: refuse, told: "once" },
  { name: "down", when: "in the middle", begin: refuse, told: "once" },
  { name: "errors of its own (500)", when: "in the middle", begin: failAll, told: "once" },
  { name: "half of all requests throttled", when: "in the middle", begin: throttleHalf, told: "in pairs" },
  { name: "hanging", when: "at the start", begin: hang, told: "once" },
  { name: "hanging", when: "in the middle", begin: hang, told: "once", lastsAtLeastMs: 5500 },
  { name: "every answer lost", when: "in the middle", begin: loseAll, told: "once" },
  { name: "30 % of the answers lost", when: "in the middle", begin: loseSome, told: "in pairs" },
  { name: "everything denied", when: "in the middle", begin: deny(), told: "once" },
  { name: "UpdateItem denied", when: "in the middle", begin: deny("UpdateItem"), told: "once" },
  { name: "UpdateItem denied", when: "at the start", begin: deny("UpdateItem"), told: "once" },
  { name: "GetItem denied", when: "in the middle", begin: deny("GetItem"), told: "perhaps" },
  { name: "Scan denied", when: "at the start", begin: deny("Scan"), told: "once" },
  { name: "Scan denied", when: "in the middle", begin: deny("Scan"), told: "perhaps" },
  { name: "DescribeTable denied", when: "at the start", begin: deny("DescribeTable"), told: "perhaps" },
  { name: "DescribeTable denied", when: "in the middle", begin: deny("DescribeTable"), told: "perhaps" },
];

export function titleOf({ name, when }: Outage): string {
  return `${name}, ${when}`;
}
