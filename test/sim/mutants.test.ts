/** The mutants of the simulation can be planted: the text of each is still in lib. */
import { readFile } from "node:fs/promises";
import { assert, suite } from "../harness.ts";
import { failureOf } from "../support/storage.ts";
import { applied, mutants, sceneFileOf } from "./mutant_list.ts";

const test = suite("mutants of the simulation");

for (const mutant of mutants) {
  test(`${mutant.name}: its text occurs once in ${mutant.file}`, async () => {
    for (const change of [mutant, ...mutant.besides === undefined ? [] : [mutant.besides]]) {
      const source = await readFile(new URL(`../../${change.file}`, import.meta.url), "utf8");
      const mutated = applied(change, source);
      assert.ok(mutated !== undefined, "the text does not occur exactly once");
      assert.ok(mutated !== source, "the replacement changes nothing");
    }
  });
}

test("the scenes of mutants exist", async () => {
  for (const { scene } of mutants) if (scene !== undefined) await sceneFileOf(scene);
  const { message } = await failureOf(sceneFileOf("of no file"));
  assert.match(message, "There is no scene");
});

test("names tell the mutants apart, and none is the beginning of another", () => {
  const names = mutants.map(({ name }) => name);
  assert.equal(names.filter((name) => names.some((other) => other !== name && other.startsWith(name))), []);
  assert.is(new Set(names).size, names.length);
});

test("applied() refuses a text that is missing, or occurs twice", () => {
  const mutant = { file: "a.ts", text: "aa", replacement: "b" };
  assert.is(applied(mutant, "xaax"), "xbx");
  assert.is(applied(mutant, "xax"), undefined);
  assert.is(applied(mutant, "aaxaa"), undefined);
  assert.is(applied(mutant, "aaa"), undefined);
});

test.run();
