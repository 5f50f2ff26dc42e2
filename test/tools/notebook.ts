/**
 * `examples/notebook.ipynb`, and a notebook of one's own, in Deno's own kernel, where Jupyter's packages for Python are found (on Debian:
 * python3-jupyter-client and python3-nbformat).
 */
import { findPython } from "./notebook/jupyter.ts";

if (await findPython() === undefined) {
  console.log("not run: Python has no jupyter_client and nbformat here");
  console.log("0 passed, 0 failed");
} else {
  await import("./notebook/cells.ts");
  await import("./notebook/real_token.ts");
  await import("./notebook/own.ts");
  (await import("./notebook/suite.ts")).test.run();
}
