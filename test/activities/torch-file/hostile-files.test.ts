import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBlocks } from '../../../activities/torch-file/blocks.ts';
import { readCheckpoint } from '../../../activities/torch-file/checkpoint.ts';
import { planConversion } from '../../../activities/torch-file/convert.ts';
import { bytesSource, pickleOf, smallCheckpoint, textOf, torchFileOf, zipOf } from './archives.ts';

const forever = new AbortController().signal;

/** Refused by name within a second, in few words that a terminal can show. */
async function mustRefuse(bytes: Buffer, message: RegExp): Promise<void> {
  const begun = performance.now();
  await assert.rejects(readCheckpoint(bytesSource(bytes), forever), (error) => {
    assert.ok(error instanceof Error && error.name === 'TorchFileError', String(error));
    assert.match(error.message, message);
    assert.ok(error.message.length < 3000, `a message of ${error.message.length} characters`);
    assert.doesNotMatch(error.message, /\p{Cc}/u);
    return true;
  });
  assert.ok(performance.now() - begun < 2000, `it took ${performance.now() - begun} ms`);
}

describe('readCheckpoint', () => {
  it('refuses a class name of 20,000 parts at once', async () => {
    await mustRefuse(torchFileOf(pickleOf(`c${'a.'.repeat(20_000)}\nx\n.`)), /which no program has/);
    const reached = pickleOf(textOf('m'), textOf(`${'a.'.repeat(20_000)}x`), '\x93.');
    await mustRefuse(torchFileOf(reached), /which no program has/);
  });

  it('cuts and escapes the names that it refuses', async () => {
    await mustRefuse(torchFileOf(pickleOf(`cos\n${'x'.repeat(3_000_000)}\n.`)), /os\.xxx.*… \(3000003 char/);
    await mustRefuse(torchFileOf(pickleOf('cos\n\x1b]0;owned\x07system\n.')), /os\.\\u\{1b\}\]0;owned/);
    const named = torchFileOf(pickleOf('}', textOf(`a${'\u001b[2J'.repeat(9)}`), '}s.'));
    await mustRefuse(named, /\\u\{1b\}\[2J/);
  });

  it('refuses a list that is copied into hundreds of dictionaries, in little memory', async () => {
    const pairs = Buffer.from('NN\x86'.repeat(20_000), 'latin1');
    const copies = 'ccollections\nOrderedDict\nh\0\x85R'.repeat(5000);
    const before = process.memoryUsage().heapUsed;
    await mustRefuse(torchFileOf(pickleOf('](', pairs, 'eq\0', copies, '.')), /copies more items/);
    assert.ok(process.memoryUsage().heapUsed - before < 300e6);
  });

  it('refuses wrappers within wrappers, however deep', async () => {
    const wrap = 'ctorch._tensor\n_rebuild_from_type_v2\n';
    const depth = 20_000;
    // wrap(wrap, Tensor, (wrap, Tensor, (…)), None)
    const nested = `${`(${wrap}ctorch\nTensor\n`.repeat(depth)})${'t'.repeat(depth)}`;
    const pickle = pickleOf('\x80\x02}X\x05\0\0\0model}X\x01\0\0\0w', wrap, nested, 'Rss.');
    await mustRefuse(torchFileOf(pickle), /w is an object of torch\._tensor\._rebuild_from_type_v2/);
  });

  it('refuses zip directories that state or hold more than an archive of tensors has', async () => {
    const small = smallCheckpoint();
    const many = Buffer.from(small);
    many.writeUInt16LE(9999, many.length - 12);
    await mustRefuse(many, /it has 3 members of 9999/);
    const few = Buffer.from(small);
    few.writeUInt16LE(1, few.length - 12);
    await mustRefuse(few, /more members than the 1 that it states/);
    const long = zipOf([{ name: `a/${'n'.repeat(60_000)}`, bytes: Buffer.from('x') }]);
    await mustRefuse(long, /a name is too long/);
  });

  it('refuses tensors with more numbers than can be counted', async () => {
    const huge = '\x8a\x07\0\0\0\0\0\0\x10';
    const pickle = pickleOf(
      '\x80\x02}X\x05\0\0\0model}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n',
      '((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ',
      `K\0${huge.repeat(2)}\x86K\0K\0\x86\x89ccollections\nOrderedDict\n)RtRss.`,
    );
    await mustRefuse(
      torchFileOf(pickle, [{ name: 'data/0', bytes: new Uint8Array(4) }]),
      /than can be counted/,
    );
  });

  it('refuses storages of a class that is not known', async () => {
    const id = '(X\x07\0\0\0storagectorch\nOddStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ.';
    await mustRefuse(torchFileOf(pickleOf(id)), /storage of torch\.OddStorage, which is not known here/);
    const other = id.replace('ctorch\nOddStorage', 'cmodule\nclass');
    await mustRefuse(torchFileOf(pickleOf(other)), /storage of module\.class, which is not known here/);
  });

  it('lets others work while it reads a long pickle', async () => {
    let turns = 0;
    const ticker = setInterval(() => (turns += 1), 1);
    const long = torchFileOf(pickleOf('N0'.repeat(1_000_000), '.'));
    await assert.rejects(readCheckpoint(bytesSource(long), forever), /holds None|takes a value/);
    clearInterval(ticker);
    assert.ok(turns > 10, `only ${turns} turns`);
  });
});

describe('members without a sum', () => {
  const PREFIXED = { drop: [], prefix: 'net.' };

  async function copied(bytes: Buffer): Promise<number> {
    const { file } = await planConversion(bytesSource(bytes), PREFIXED, forever);
    let sizeBytes = 0;
    for await (const block of readBlocks(file, forever)) sizeBytes += block.bytes.length;
    return sizeBytes;
  }

  it('are read and copied, as torch.load reads what torch.save wrote without computing sums', async () => {
    const { tensors } = await readCheckpoint(bytesSource(smallCheckpoint(undefined, 0)), forever);
    assert.deepEqual(
      tensors.map(({ name, shape }) => [name, shape]),
      [['w', [2]]],
    );
    assert.ok((await copied(smallCheckpoint(undefined, 0))) > 8);
  });

  it('do not hide damage in members that have one', async () => {
    const whole = smallCheckpoint();
    const at = whole.indexOf(Buffer.from(new Float32Array([1, 2]).buffer));
    const damaged = Buffer.from(whole);
    damaged[at] = 1;
    await assert.rejects(copied(damaged), /data\/0 is damaged: its CRC-32/);
    await assert.rejects(readCheckpoint(bytesSource(smallCheckpoint(undefined, 1)), forever), /is damaged/);
  });
});
