/** The links of Markdown, and where they lead. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The links of a document that lead to no file, or to no heading of it. @param file Its path below the root. */
export function brokenLinks(root: string, file: string): string[] {
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  const links = [...read(file).matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? file : join(dirname(file), path);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !(target.endsWith(".md") && anchorsOf(read(target)).includes(anchor));
  }).map((link) => `${file}: ${link}`);
}

/** As GitHub makes them of headings. */
export function anchorsOf(markdown: string): string[] {
  const text = markdown.replaceAll(/^ *```[^]*?^ *```$/gm, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\- ]/gu, "").replaceAll(" ", "-")
  );
}
