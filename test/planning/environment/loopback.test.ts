import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback } from '../../../planning/environment/loopback.ts';
import { channelArguments } from '../../../planning/environment/temporal-connection.ts';

test('addresses of this machine alone are known, with and without a port', () => {
  for (const address of [
    ...[
      'localhost',
      'LOCALHOST:7233',
      'localhost.:1',
      'temporal.localhost:7233',
      '127.0.0.1',
      '127.8.9.1:80',
    ],
    ...['::1', '[::1]', '[::1]:7233', '::ffff:127.0.0.1', '[::ffff:127.0.0.1]:1'],
  ])
    assert.ok(isLoopback(address), address);
  for (const address of [
    ...['', '10.0.0.1', '128.0.0.1:80', 'localhost.example.com', '127.0.0.1.example.com:80', 'notlocalhost'],
    ...['[fe80::1]:80', '::2', '127.0.0.256', 'gpu-1:7233'],
  ])
    assert.ok(!isLoopback(address), address);
});

test('gRPC asks no proxy for loopback, and the environment decides for all else', () => {
  assert.deepEqual(channelArguments('127.0.0.1:7233'), { 'grpc.enable_http_proxy': 0 });
  assert.deepEqual(channelArguments('temporal.example.com:7233'), {});
});
