/** @module Apart from env.ts: who only catches it need not load what checks the environment. */

/** What is wrong with the environment, and which variable to set. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}
