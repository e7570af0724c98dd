/**
 * @module The command line's connection to Temporal.
 */
import { Client, Connection } from '@temporalio/client';
import { readTemporalSettings } from '../configs/temporal.ts';
import { oneLine, UserError } from './errors.ts';

const CONNECT_TIMEOUT = '5s';

/** Runs the deed with a client and closes its connection after. @throws UserError when Temporal is out of reach. */
export async function withClient<T>(deed: (client: Client, address: string) => Promise<T>): Promise<T> {
  const { connection: options, namespace, address } = readTemporalSettings();
  const connection = await Connection.connect({ ...options, connectTimeout: CONNECT_TIMEOUT }).catch(
    (error: unknown) => {
      throw new UserError(
        `Temporal cannot be reached at ${address}: ${oneLine(error)}\nSet TEMPORAL_ADDRESS (or a profile in temporal.toml), or start everything on this machine with 'npm run dev'.`,
      );
    },
  );
  try {
    return await deed(new Client({ connection, namespace }), address);
  } finally {
    await connection.close();
  }
}
