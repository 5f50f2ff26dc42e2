/** An embedded DynamoDB in a process of its own. */
import { startDynamoDB } from "../../lib/local/dynamodb/server.ts";
import { serve } from "./child.ts";

const { endpoint } = await startDynamoDB();
serve(endpoint);
