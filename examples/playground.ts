#!/usr/bin/env -S deno run -P=sandbox
/** `telegram-signals playground`, as a script of this folder: see [cli/commands/playground.ts](../cli/commands/playground.ts). */
import process from "node:process";
import { runProgram } from "../cli/program.ts";

await runProgram(["playground", ...process.argv.slice(2)]);
