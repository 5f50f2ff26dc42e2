/** One of the contestants in a process of its own, which tells its processor time to whoever asks. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { serve } from "./child.ts";
import { type ContestantName, contestants } from "./contestants.ts";

const [name = "", endpoint = ""] = process.argv.slice(2);
await contestants[name as ContestantName](endpoint);

const server = createServer((_request, response) => {
  const { user, system } = process.cpuUsage();
  response.end(String((user + system) / 1e6));
});
server.listen(0, "127.0.0.1", () => serve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
