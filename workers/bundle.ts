/**
 * @module Builds the workflows' bundle ahead: a worker that need not bundle starts in a fifth of the time and memory.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/** Where the bundle lies, beside the compiled code. */
export const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
    payloadConverterPath: fileURLToPath(new URL('../workflows/payload-converter.js', import.meta.url)),
    logger: new DefaultLogger('WARN'),
  });
  await writeFile(bundlePath, code);
}
