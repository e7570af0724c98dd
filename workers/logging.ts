/**
 * @module Logs: one JSON object a line on stdout, a constant message and an object of facts.
 */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { pino, type Logger } from 'pino';

/** The process's logger; Temporal's own records go the same way. Called once, before any worker is made. */
export function installLogging(worker: string): Logger {
  const logger = pino({ base: { worker } });
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) =>
      logger[levels[level]]({ ...meta }, message),
    ),
    shutdownSignals: [],
  });
  return logger;
}
