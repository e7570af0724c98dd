/** @module What time it is at the S3 server, from the Date header of whatever it answers, a refusal among it. */
import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';

const responseSchema = z.object({ headers: z.record(z.string(), z.string()) });

/** @throws when S3 does not answer at all. */
export async function readServerDate(
  client: S3Client,
  bucket: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const command = new HeadBucketCommand({ Bucket: bucket });
  let date: number | undefined;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = responseSchema.safeParse(result.response);
      date = Date.parse((response.success ? response.data.headers.date : undefined) ?? '');
      return result;
    },
    // Next to the network: a refusal becomes an error further out.
    { step: 'deserialize', priority: 'low' },
  );
  try {
    await client.send(command, { abortSignal: signal });
  } catch (error) {
    if (date === undefined) throw error;
  }
  return Number.isNaN(date) ? undefined : date;
}
