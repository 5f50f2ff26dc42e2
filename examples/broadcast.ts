#!/usr/bin/env -S deno run -P
/** `telegram-signals broadcast`, from a clone: [cli/commands/broadcast.ts](../cli/commands/broadcast.ts) has the code. */
import process from "node:process";
import { runCommand } from "../cli/program.ts";

await runCommand("broadcast", process.argv.slice(2));
