/** The counting Telegram in a process of its own. */
import process from "node:process";
import { serve } from "./child.ts";
import { startCountingTelegram } from "./counting_telegram.ts";

const { endpoint } = await startCountingTelegram(Number(process.argv[2]));
serve(endpoint);
