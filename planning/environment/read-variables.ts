/**
 * @module Environment variables, checked by a schema. The files of this folder are the only readers of process.env, but for
 * Temporal's, AWS's and undici's own code (TEMPORAL_*, AWS_*, HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
 */
import type { z } from 'zod';
import { EnvironmentError } from './environment-error.ts';

/** @throws EnvironmentError naming each variable that is missing or has a wrong value. */
export function readVariables<T>(schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(process.env);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const variable = issue.path.join('.');
    const missing = process.env[variable] === undefined;
    return missing ? `${variable} is not set${hints[variable] ?? ''}` : `${variable}: ${issue.message}`;
  });
  throw new EnvironmentError(lines.join('\n'));
}

const hints: Readonly<Record<string, string>> = {
  GLEE_CHECKOUT: ': the path of a GLEE checkout (https://github.com/FoundationVision/GLEE) on this machine',
};
