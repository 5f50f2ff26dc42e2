/** What a fault gate is told. */
import { assertNames, namesOf } from "../option_names.ts";

/** These actions on this table, and on its indexes. */
export interface Allowed {
  /** As IAM names them, without `dynamodb:`. */
  readonly actions: readonly string[];
  /** The table's name. */
  readonly table: string;
}

/** What stands behind the gate, and who may pass. */
export interface FaultGateOptions {
  /** The DynamoDB behind the gate: an `http://` endpoint, such as `startDynamoDB` gives. */
  readonly target: string;
  /** As an IAM policy would: whatever none of these allows is refused. Default: all may pass. */
  readonly allow?: Allowed | readonly Allowed[];
  /** TCP port on 127.0.0.1. Default: 0, the system chooses. */
  readonly port?: number;
  /** Decides about shares; a number in [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
}

const optionNames = {
  known: namesOf<FaultGateOptions>({ target: true, allow: true, port: true, random: true }),
};
const allowedNames = { known: namesOf<Allowed>({ actions: true, table: true }), what: "a name in allow" };

/** @throws {TypeError} If an option is unknown. */
export function assertGateOptions(options: FaultGateOptions): void {
  assertNames("start the gate", options, optionNames);
  for (const each of [options.allow].flat()) assertNames("start the gate", each, allowedNames);
}
