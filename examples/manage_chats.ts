#!/usr/bin/env -S deno run -P
/** `telegram-signals chats`, from a clone: [cli/commands/chats.ts](../cli/commands/chats.ts) has the code. */
import process from "node:process";
import { runCommand } from "../cli/program.ts";

await runCommand("chats", process.argv.slice(2));
