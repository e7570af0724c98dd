/**
 * @module `glee doctor`: is everything there that a run needs, and what to do where it is not.
 */
import { randomUUID } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import pc from 'picocolors';
import { lookAtPython } from '../../activities/preflight/python-check.ts';
import { openBucket, type Bucket } from '../../activities/storage/bucket.ts';
import { conditionProblem, ignoredCondition } from '../../activities/storage/conditional-writes.ts';
import { readDoctorSettings, type DoctorSettings } from '../../planning/environment/env.ts';
import { createS3Client, httpStatus, storageRefusal } from '../../planning/environment/s3-client.ts';
import { CONTROL_TASK_QUEUE, poolWorkflowId } from '../../contracts/ids.ts';
import { poolQuery } from '../../workflows/base/messages.ts';
import { countControlWorkers, withClient } from '../shared/client.ts';
import { oneLine } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do when it is not ok. */
  readonly remedy?: string;
}

type Check = (settings: DoctorSettings) => Promise<Finding[]>;

export async function doctor(options: OutputOptions): Promise<void> {
  const settings = readDoctorSettings();
  const checks: Check[] = [checkTemporal, checkStorage, checkPython, checkCheckout];
  const findings = (await Promise.all(checks.map((check) => check(settings)))).flat();
  print(findings, options, (all) => all.map(renderFinding).join('\n'));
  if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
}

function renderFinding({ check, ok, found, remedy }: Finding): string {
  const line = `${ok ? pc.green('ok  ') : pc.red('FAIL')}  ${check}: ${found}`;
  return remedy === undefined || ok ? line : `${line}\n      → ${remedy}`;
}

async function checkTemporal({ pool }: DoctorSettings): Promise<Finding[]> {
  const check = 'Temporal';
  try {
    return await withClient(async (client, address) => {
      const { namespace } = client.options;
      await client.workflowService.describeNamespace({ namespace });
      const workers = await countControlWorkers(client);
      const reached = { check, ok: true, found: `${address}, namespace ${namespace}` };
      const control = {
        check: 'control worker',
        ok: workers > 0,
        found:
          workers > 0
            ? `${workers} on task queue '${CONTROL_TASK_QUEUE}'`
            : `no one polls task queue '${CONTROL_TASK_QUEUE}'`,
        remedy: "start one with 'glee-worker control'",
      };
      if (workers === 0) return [reached, control];
      const view = await client.workflow
        .getHandle(poolWorkflowId(pool))
        .query(poolQuery)
        .catch(() => undefined);
      const present = view?.hosts.filter((host) => host.present) ?? [];
      const hosts = {
        check: 'GPU hosts',
        ok: present.length > 0,
        found: `${present.length} in pool '${pool}'${present.map(({ name, gpus }) => `, ${name} with ${gpus} GPUs`).join('')}`,
        remedy: "start 'glee-worker gpu' on each GPU host",
      };
      return [reached, control, hosts];
    });
  } catch (error) {
    return [
      {
        check,
        ok: false,
        found: oneLine(error),
        remedy: "set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or start 'npm run dev'",
      },
    ];
  }
}

/** Rights are known by using them: an object is written, read and deleted. */
async function checkStorage({ bucket: name, prefix }: DoctorSettings): Promise<Finding[]> {
  const check = `S3 bucket '${name}'`;
  const client = createS3Client();
  const Key = `${prefix}doctor/${randomUUID()}`;
  let step = 'look at the bucket';
  try {
    await client.send(new HeadBucketCommand({ Bucket: name }));
    step = 'write an object';
    await client.send(new PutObjectCommand({ Bucket: name, Key, Body: 'glee doctor' }));
    step = 'read it';
    await client.send(new GetObjectCommand({ Bucket: name, Key }));
    step = 'delete it';
    await client.send(new DeleteObjectCommand({ Bucket: name, Key }));
    return [
      { check, ok: true, found: 'written, read and deleted' },
      await checkConditions(openBucket(client, name, prefix)),
    ];
  } catch (error) {
    const cause =
      httpStatus(error) === 404 ? 'there is no such bucket' : (storageRefusal(error) ?? oneLine(error));
    const remedy =
      'set GLEE_BUCKET, AWS_ENDPOINT_URL_S3, AWS_REGION and credentials as for the aws command line, or grant the right';
    return [{ check, ok: false, found: `could not ${step}: ${cause}`, remedy }];
  } finally {
    client.destroy();
  }
}

/** By them alone an attempt knows that a newer one has the stage. */
async function checkConditions(bucket: Bucket): Promise<Finding> {
  const check = 'conditional writes';
  const remedy = 'take a bucket on a server that honours If-Match and If-None-Match, as AWS S3 does';
  try {
    const ignored = await ignoredCondition(bucket, AbortSignal.timeout(CONDITIONS_MS));
    if (ignored === undefined)
      return { check, ok: true, found: 'If-None-Match and a stale If-Match are honoured' };
    return { check, ok: false, found: conditionProblem(bucket.store.bucket, ignored), remedy };
  } catch (error) {
    return { check, ok: false, found: `could not be tested: ${oneLine(error)}`, remedy };
  }
}

const CONDITIONS_MS = 60_000;

async function checkPython({ python, checkout = '' }: DoctorSettings): Promise<Finding[]> {
  const check = 'Python';
  try {
    const seen = await lookAtPython({ python, checkout }, new AbortController().signal);
    const found = seen.python === 'unknown' ? python : `Python ${seen.python} (${python})`;
    if (seen.problem !== undefined) {
      const remedy = 'GLEE_PYTHON names the interpreter that trains: one with all that GLEE imports';
      return [{ check, ok: false, found: `${found}: ${seen.problem}`, remedy }];
    }
    const warning = seen.warning === undefined ? '' : `\n      ${pc.yellow('warning')}: ${seen.warning}`;
    return [{ check, ok: true, found: `${found}${warning}` }];
  } catch (error) {
    return [
      { check, ok: false, found: oneLine(error), remedy: 'set GLEE_PYTHON to the Python that runs GLEE' },
    ];
  }
}

async function checkCheckout({ checkout }: DoctorSettings): Promise<Finding[]> {
  const check = 'GLEE checkout';
  if (checkout === undefined) {
    return [
      {
        check,
        ok: false,
        found: 'GLEE_CHECKOUT is not set',
        remedy: 'set it to the root of a GLEE checkout',
      },
    ];
  }
  for (const file of ['launch.py', 'projects/GLEE/train_net.py', 'projects/GLEE/configs']) {
    const there = await access(join(checkout, file)).then(
      () => true,
      () => false,
    );
    if (!there)
      return [
        {
          check,
          ok: false,
          found: `${checkout} has no ${file}`,
          remedy: 'set GLEE_CHECKOUT to the root of a GLEE checkout',
        },
      ];
  }
  return [{ check, ok: true, found: checkout }];
}
