/**
 * One part of the full proof, on the runtime that runs it: `npx tsx test/crash/run.ts updates --seed=1`. Options:
 * `--seed=N` repeats a run, `--count=N` sets how many histories or outages there are, `--at-once=N` how many of them run at
 * the same time, and `--row=TEXT` runs only the signal scenarios whose title contains the text.
 */
import process from "node:process";
import { suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { isPart, parseRunOptions, parts } from "./parts.ts";

const [name = ""] = process.argv.slice(2);
if (!isPart(name)) throw new RangeError(`There is no part "${name}", only ${Object.keys(parts).join(", ")}`);
const options = parseRunOptions();
console.log(`${runtime}, seed ${options.seed}`);
const { title, limitMinutes, load } = parts[name];
const { register } = await load();
const test = suite(`${title} (seed ${options.seed})`, undefined, limitMinutes * 60_000);
register(test, options);
test.run();
