/** An embedded DynamoDB in a process of its own. */
import { startDynamoDB } from "../../lib/local/dynamodb.ts";
import { serve } from "./child.ts";

const { endpoint } = await startDynamoDB();
serve(endpoint);
