// Runs where Pyodide's own Python is, in Node: `node in_wasm.mjs PYODIDE SITE-PACKAGES DATA`.
// Prints as JSON what the lessons' triggers come out as in WebAssembly.
import fs from "fs";
import path from "path";

const [pyodide, packages, data] = process.argv.slice(2);
const { loadPyodide } = await import(path.resolve(pyodide, "pyodide.mjs"));
const python = await loadPyodide({ stdout: () => {}, stderr: () => {} });
const copy = (folder, to) => {
  python.FS.mkdirTree(to);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const from = path.join(folder, entry.name);
    if (entry.isDirectory()) copy(from, `${to}/${entry.name}`);
    else python.FS.writeFile(`${to}/${entry.name}`, fs.readFileSync(from));
  }
};
copy(packages, "/packages");
copy(data, "/data");
console.log(python.runPython(fs.readFileSync(path.join(data, "run.py"), "utf8")));
