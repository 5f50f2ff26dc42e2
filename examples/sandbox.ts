#!/usr/bin/env -S deno run -P=sandbox
/** `telegram-signals sandbox`, from a clone: [cli/commands/sandbox.ts](../cli/commands/sandbox.ts) has the code. */
import process from "node:process";
import { runProgram } from "../cli/program.ts";

await runProgram(["sandbox", ...process.argv.slice(2)]);
