/**
 * @module The command line's connection to Temporal.
 */
import { Client, Connection, WorkflowUpdateFailedError } from '@temporalio/client';
import proto from '@temporalio/proto';
import { innermostMessage } from '../../contracts/failures.ts';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';
import { channelArguments, readTemporalSettings } from '../../planning/environment/temporal-connection.ts';
import { oneLine, UserError } from './errors.ts';

const CONNECT_TIMEOUT = '5s';

/** Runs the work with a client and closes its connection after. @throws UserError when Temporal is out of reach. */
export async function withClient<T>(work: (client: Client, address: string) => Promise<T>): Promise<T> {
  const { connection: options, namespace, address } = readTemporalSettings();
  const channelArgs = channelArguments(address);
  const asked = { ...options, channelArgs, connectTimeout: CONNECT_TIMEOUT };
  const connection = await Connection.connect(asked).catch((error: unknown) => {
    throw new UserError(
      `Temporal cannot be reached at ${address}: ${oneLine(error)}\nSet TEMPORAL_ADDRESS (or a profile in temporal.toml), or start everything on this machine with 'npm run dev'.`,
    );
  });
  try {
    return await work(new Client({ connection, namespace }), address);
  } finally {
    await connection.close();
  }
}

/** How many control workers have polled of late. */
export async function countControlWorkers({ workflowService, options }: Client): Promise<number> {
  const { pollers } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: CONTROL_TASK_QUEUE },
    taskQueueType: proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
  });
  return pollers.length;
}

/** What the workflow said that refused an Update; undefined for any other error. */
export function refusalOf(error: unknown): string | undefined {
  return error instanceof WorkflowUpdateFailedError ? innermostMessage(error) : undefined;
}
