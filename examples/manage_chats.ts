#!/usr/bin/env -S deno run -P
/** `telegram-signals chats`, as a script of this folder: see [cli/commands/chats.ts](../cli/commands/chats.ts). */
import process from "node:process";
import { runProgram } from "../cli/program.ts";

await runProgram(["chats", ...process.argv.slice(2)]);
