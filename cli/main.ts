#!/usr/bin/env node
/**
 * The command `telegram-signals`.
 *
 *     npx telegram-signals chats list
 *     npx tsx cli/main.ts chats list
 *     deno run -P cli/main.ts chats list
 */
import process from "node:process";
import { runProgram } from "./program.ts";

await runProgram(process.argv.slice(2));
