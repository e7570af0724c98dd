/**
 * @module What the holders of a pool have, by their own account: a pool that was started again knows nothing of the leases
 * that one before it granted.
 */
import { log } from '@temporalio/activity';
import { QueryNotRegisteredError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { parse } from '../../contracts/parsing.ts';
import { readLeaseAccount } from '../../contracts/pool-messages.ts';
import type { LeaseAccount } from '../../contracts/pool.ts';
import { leaseAccountQuery } from '../../workflows/base/messages.ts';

/** The workflows that hold leases. */
const HOLDERS = "ExecutionStatus = 'Running' AND (WorkflowType = 'trainStage' OR WorkflowType = 'evaluate')";

const AT_A_TIME = 20;
const ANSWER_MS = 10_000;
const TRIES = 3;

/** @param heartbeat Called after each answer. */
export async function askHolders(
  client: Client,
  pool: string,
  heartbeat: () => void,
): Promise<readonly LeaseAccount[]> {
  const waiting: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query: HOLDERS })) {
    waiting.push(workflowId);
    heartbeat();
  }
  const accounts: LeaseAccount[] = [];
  const askAll = async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const account = await askHolder(client, id);
      if (account?.pool === pool) accounts.push(account);
      heartbeat();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, askAll));
  return accounts;
}

/** Undefined where it has nothing, or cannot say: then the hosts tell what lives on them. */
async function askHolder(client: Client, workflowId: string): Promise<LeaseAccount | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const ask = () => client.workflow.getHandle(workflowId).query(leaseAccountQuery);
      const answer: unknown = await client.withDeadline(Date.now() + ANSWER_MS, ask);
      const parsed = parse(readLeaseAccount, answer, 'account');
      if (
        parsed.ok &&
        (parsed.value.held ?? parsed.value.request ?? { holder: workflowId }).holder === workflowId
      )
        return parsed.value;
      log.warn('a holder says nothing that can be used', {
        workflowId,
        problem: parsed.ok ? '' : parsed.problem,
      });
      return undefined;
    } catch (error) {
      // It has ended, or has not come to its first request yet.
      if (error instanceof WorkflowNotFoundError || error instanceof QueryNotRegisteredError)
        return undefined;
      if (attempt < TRIES) continue;
      log.warn('a holder does not say what it has', { workflowId, error: String(error) });
      return undefined;
    }
  }
}
