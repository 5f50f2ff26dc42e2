/**
 * Has npm verify the registry's signatures of all that is installed. Fails where one is wrong or missing; where the
 * registry or the signatures' keys cannot be asked, says so in a line. Run by `.ci/run`.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";

const { stdout, error } = spawnSync("npm", ["audit", "signatures", "--json", "--fetch-retries=0"], {
  ...{ encoding: "utf8", timeout: 60_000, maxBuffer: 1e8, shell: process.platform === "win32" },
});

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const answer = parsed(stdout);
const { invalid, missing } = answer;
if (!Array.isArray(invalid) || !Array.isArray(missing)) {
  const why = answer.error?.code ?? error?.code ?? "no answer";
  console.log(`The packages' signatures could not be verified here (${why}); going on without.`);
} else if (invalid.length + missing.length === 0) console.log("The packages' signatures are verified.");
else {
  for (const [what, packages] of Object.entries({ invalid, missing })) {
    for (const { name, version } of packages) console.log(`${name} ${version}: its signature is ${what}.`);
  }
  process.exitCode = 1;
}
