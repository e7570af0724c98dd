/** @module Paths that users write: they must stay inside the checkout, and survive GLEE's shell. */

/** Why `path` cannot name a file of the checkout, or undefined when it can. */
export function checkoutPathProblem(path: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) {
    return `'${path}' is no file of the GLEE checkout: download it into the checkout and give its path there`;
  }
  if (path.startsWith('/') || path.startsWith('~') || path.split('/').includes('..')) {
    return `'${path}' leads out of the GLEE checkout: give a path relative to the checkout's root, without '..'`;
  }
  if (!/^[\w.@+=,/-]+$/.test(path) || path.startsWith('-')) {
    // launch.py joins its arguments into one string and runs it with shell=True.
    return `'${path}' has characters that GLEE's launch.py would hand to a shell: use letters, digits and . _ - / only`;
  }
  return undefined;
}
