/** Loaded into Node before a program: a connection to another machine fails, and its address is written to the file NETWORK_LOG. */
import { appendFileSync } from "node:fs";
import net from "node:net";
import process from "node:process";

const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function (...args) {
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  const { host = "localhost", path } = typeof options === "object" ? options : { host: args[1] };
  if (path || /^(localhost|127\..*|::1)$/.test(host)) return connect.apply(this, args);
  appendFileSync(process.env.NETWORK_LOG, `${host}\n`);
  process.nextTick(() =>
    this.destroy(Object.assign(new Error(`connect ENETUNREACH ${host}`), { code: "ENETUNREACH" }))
  );
  return this;
};
