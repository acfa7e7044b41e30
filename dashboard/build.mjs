// Builds src/ into dist/ (or the directory given): a page, a script, a style, each gzipped. The C build embeds these files
// as they are committed; it never runs this.

import { build } from "esbuild";
import { readFileSync, mkdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const out = process.argv[2] ?? new URL("dist", import.meta.url).pathname;
const source = (name) => new URL(`src/${name}`, import.meta.url).pathname;

const { outputFiles } = await build({
  entryPoints: { app: source("main.tsx"), style: source("style.css") },
  bundle: true,
  minify: true,
  write: false,
  outdir: "out",
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
});
const made = Object.fromEntries(outputFiles.map((file) => [file.path.split("/").pop(), file.contents]));

mkdirSync(out, { recursive: true });
for (const [name, bytes] of [["app.js", made["app.js"]], ["app.css", made["style.css"]], ["index.html", readFileSync(source("index.html"))]])
  writeFileSync(`${out}/${name}.gz`, gzipSync(bytes, { level: 9 }));
