#!/usr/bin/env -S deno run -P=sandbox
/** `telegram-signals playground`, from a clone: [cli/commands/playground.ts](../cli/commands/playground.ts) has the code. */
import process from "node:process";
import { runProgram } from "../cli/program.ts";

await runProgram(["playground", ...process.argv.slice(2)]);
