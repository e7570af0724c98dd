// Completes package-lock.json after every `npm install`: node .ci/complete-lock.mjs package-lock.json
//
// A registry mirror may not serve the optional packages of other platforms, which npm then leaves out of the lock, and
// `npm ci` refuses it. They are added, and each entry gets the checksum that the registry states: without one, whatever
// the registry has on some later day would be installed. A test notices an entry without.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const [file] = process.argv.slice(2);
const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
const changed = [];
for (const [path, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const top = `node_modules/${name}`;
    if (lock.packages[`${path}/${top}`] || lock.packages[top]) continue;
    lock.packages[top] = {
      version: version.replace(/^[\^~]/, ''),
      ...(entry.dev && { dev: true }),
      optional: true,
    };
  }
}
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === '' || entry.link || entry.integrity) continue;
  lock.packages[path] = withFacts(path.replace(/^.*node_modules\//, ''), entry);
  changed.push(path);
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
);
fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log('completed', changed.length, changed.join(' '));

/** The entry with what the registry says of just this version, in npm's order. */
function withFacts(name, { version, dev, optional }) {
  const fields = ['dist.integrity', 'cpu', 'os', 'libc', 'license', 'engines'];
  const answer = execFileSync('npm', ['view', `${name}@${version}`, ...fields, '--json'], {
    encoding: 'utf8',
  });
  const { 'dist.integrity': integrity, cpu, os, libc, license, engines } = JSON.parse(answer);
  if (!/^sha512-/.test(integrity ?? ''))
    throw new Error(`the registry states no SHA-512 of ${name}@${version}`);
  const list = (value) => (value === undefined ? undefined : [value].flat());
  const facts = {
    version,
    integrity,
    cpu: list(cpu),
    dev,
    libc: list(libc),
    license,
    optional,
    os: list(os),
    engines,
  };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
