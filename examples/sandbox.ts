#!/usr/bin/env -S deno run -P=sandbox
/** `telegram-signals sandbox`, from a clone: [cli/commands/sandbox.ts](../cli/commands/sandbox.ts) has the code. */
import process from "node:process";
import { runCommand } from "../cli/program.ts";

await runCommand("sandbox", process.argv.slice(2));
