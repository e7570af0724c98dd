/**
 * @module Requests that the SDK has addressed and signed, for bytes that do not go through it. Endpoints, credentials and
 * their refresh stay the SDK's; each request is signed again.
 */
import { GetObjectCommand, type GetObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';

const signedRequest = z.object({
  protocol: z.enum(['http:', 'https:']),
  hostname: z.string(),
  port: z.number().optional(),
  path: z.string(),
  query: z.record(z.string(), z.string()),
  headers: z.record(z.string(), z.string()),
});

export type SignedRequest = z.infer<typeof signedRequest>;

export async function signGet(client: S3Client, input: GetObjectCommandInput): Promise<SignedRequest> {
  const command = new GetObjectCommand(input);
  let request: unknown;
  // Outermost of its step, which comes after the signature: the request is taken and goes nowhere.
  command.middlewareStack.add(
    () => (args) => {
      request = args.request;
      return Promise.resolve({ response: undefined, output: { $metadata: {} } });
    },
    { step: 'deserialize', priority: 'high', name: 'gleeTakeRequest' },
  );
  await client.send(command);
  return signedRequest.parse(request);
}
