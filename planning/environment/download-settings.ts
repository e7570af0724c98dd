/** @module What downloads of weights need besides S3, from the environment. */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { readVariables } from './read-variables.ts';

const downloadSchema = z.object({
  HF_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an address as https://huggingface.co' })
    .default('https://huggingface.co'),
  HF_TOKEN: z.string().optional(),
  GLEE_ALLOW_PRIVATE_SOURCES: z
    .string()
    .regex(/^[A-Za-z0-9._:,[\]-]*$/, "must be names or addresses of hosts with ',' between them")
    .transform(listed(','))
    .default([]),
  GLEE_FILE_ROOTS: z
    .string()
    .transform(listed(':'))
    .refine((folders) => folders.every((folder) => isAbsolute(folder) && folder !== '/'), {
      error: "must be absolute paths of folders with ':' between them, and not '/'",
    })
    .default([]),
});

function listed(separator: string): (text: string) => string[] {
  return (text) => text.split(separator).flatMap((item) => (item.trim() === '' ? [] : [item.trim()]));
}

export interface DownloadSettings {
  readonly huggingFace: {
    readonly endpoint: string;
    /** A secret: sent to the endpoint's own origin, and written nowhere. */
    readonly token: string | undefined;
  };
  /** Hosts that weights may come from though their addresses are private. */
  readonly privateHosts: readonly string[];
  /** Folders besides the checkout and the configs that `file://` sources may lie in. */
  readonly fileRoots: readonly string[];
}

/** @throws EnvironmentError naming each invalid variable. */
export function readDownloadSettings(): DownloadSettings {
  const { HF_ENDPOINT: endpoint, HF_TOKEN: token, ...env } = readVariables(downloadSchema);
  return {
    huggingFace: { endpoint, token: token === '' ? undefined : token },
    privateHosts: env.GLEE_ALLOW_PRIVATE_SOURCES,
    fileRoots: env.GLEE_FILE_ROOTS,
  };
}
