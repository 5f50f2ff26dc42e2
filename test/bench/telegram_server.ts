/** Telegrams in a process of their own. */
import { serve } from "./child.ts";
import { startTelegrams } from "./telegram.ts";

const { endpoint } = await startTelegrams();
serve(endpoint);
