/** The stand-in for Telegram and DynamoDB in a process of its own. */
import { serve } from "./child.ts";
import { startStandIn } from "./inbound_stand_in.ts";

/** What a request to DynamoDB takes within its region. */
const delayMs = 5;

const { endpoint } = await startStandIn(delayMs);
serve(endpoint);
