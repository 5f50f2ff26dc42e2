#!/usr/bin/env -S deno run -P=sandbox
/** `telegram-signals sandbox`, as a script of this folder: see [cli/commands/sandbox.ts](../cli/commands/sandbox.ts). */
import process from "node:process";
import { runProgram } from "../cli/program.ts";

await runProgram(["sandbox", ...process.argv.slice(2)]);
