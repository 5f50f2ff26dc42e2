#!/usr/bin/env -S deno run -P
/** `telegram-signals broadcast`, as a script of this folder: see [cli/commands/broadcast.ts](../cli/commands/broadcast.ts). */
import process from "node:process";
import { runProgram } from "../cli/program.ts";

await runProgram(["broadcast", ...process.argv.slice(2)]);
