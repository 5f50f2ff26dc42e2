#!/usr/bin/env -S deno run -P=sandbox
/** `telegram-signals playground`, from a clone: [cli/commands/playground.ts](../cli/commands/playground.ts) has the code. */
import process from "node:process";
import { runCommand } from "../cli/program.ts";

await runCommand("playground", process.argv.slice(2));
