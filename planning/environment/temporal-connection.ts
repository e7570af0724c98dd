/**
 * @module Temporal's address, namespace and keys, from its own environment configuration (TEMPORAL_*, temporal.toml),
 * so the `temporal` command line and this project agree without being told.
 */
import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig';
import { isLoopback } from './loopback.ts';

export interface TemporalSettings {
  readonly connection: ClientConnectConfig['connectionOptions'];
  readonly namespace: string;
  /** For messages: where we tried to reach it. */
  readonly address: string;
}

export function readTemporalSettings(): TemporalSettings {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const address = connectionOptions.address ?? 'localhost:7233';
  return { connection: { ...connectionOptions, address }, namespace: namespace ?? 'default', address };
}

/** For the client's connection to `address`: gRPC's own code asks a proxy for loopback addresses too. */
export function channelArguments(address: string): Readonly<Record<string, number>> {
  return isLoopback(address) ? { 'grpc.enable_http_proxy': 0 } : {};
}
