// Bundles the entry points into a folder, under names that hold a hash of their content, and writes manifest.json there:
// by entry point, the name of its bundle. Called by scripts/install.py and deploy/Dockerfile: node build.mjs FOLDER
import { build } from "esbuild";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2]);
const partial = `${folder}.partial`;
await rm(partial, { recursive: true, force: true });
await mkdir(partial, { recursive: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/app.js", "src/charts.js", "src/editor.js", "src/links.js", "src/style.css"],
  entryNames: "[name]-[hash]",
  outdir: partial,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});
const manifest = {};
for (const [path, output] of Object.entries(metafile.outputs)) {
  if (output.entryPoint) manifest[basename(output.entryPoint)] = basename(path);
}
// Written last: a folder without it is incomplete.
await writeFile(join(partial, "manifest.json"), JSON.stringify(manifest, null, 2));
await rm(folder, { recursive: true, force: true });
await rename(partial, folder);
