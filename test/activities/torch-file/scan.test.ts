import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isUnpickled, mustBeHarmless } from '../../../activities/torch-file/scan.ts';
import { bytesSource, pickleOf, smallCheckpoint, textOf, torchFileOf, zipOf } from './archives.ts';

const forever = new AbortController().signal;
const CALL = 'cmodule\nfunction\n(X\x01\0\0\0xtR';
const MAGIC = '\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.';

const scan = (bytes: Buffer) => mustBeHarmless(bytesSource(bytes), forever);

async function mustRefuse(bytes: Buffer, message: RegExp): Promise<void> {
  await assert.rejects(scan(bytes), (error) => {
    assert.ok(error instanceof Error && error.name === 'TorchFileError', String(error));
    assert.match(error.message, message);
    return true;
  });
}

describe('mustBeHarmless', () => {
  it('lets pass what torch saves: tensors, and data beside them', async () => {
    await scan(smallCheckpoint());
    const args = '(cargparse\nNamespace\no}X\x02\0\0\0lrK\x01sb';
    await scan(smallCheckpoint(pickleOf('X\x04\0\0\0args', args)));
    const number = 'cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\0\0\0f8K\0K\x01tRC\x04abcdtR';
    await scan(smallCheckpoint(pickleOf('X\x04\0\0\0best', number)));
  });

  it('refuses what names anything else, by its name, wherever in the file', async () => {
    const names = /the pickle names module\.function, which a file of weights has no need of/;
    await mustRefuse(smallCheckpoint(pickleOf('X\x04\0\0\0args', CALL)), names);
    await mustRefuse(torchFileOf(pickleOf(textOf('module'), textOf('function'), '\x93.')), names);
    await mustRefuse(torchFileOf(pickleOf('(imodule\nfunction\n.')), names);
    await mustRefuse(torchFileOf(pickleOf('ctorch\nload\n.')), /torch\.load, which serves to run code/);
    const member = { name: 'archive/Other.PKL', bytes: pickleOf(CALL, '.') };
    await mustRefuse(zipOf([{ name: 'archive/data.pkl', bytes: pickleOf('}.') }, member]), names);
    await mustRefuse(torchFileOf(pickleOf('ctorch\nTensor\n}b.')), /changes a class/);
  });

  it('reads plain pickles and those of old torch as Python would, all that would be read', async () => {
    const first = '\x80\x02M\xe9\x03.\x80\x02}.';
    await scan(pickleOf(MAGIC, first, '\x80\x02}.', '\x80\x02].', 'tensors'));
    const names = /module\.function/;
    await mustRefuse(pickleOf(CALL, '.'), names);
    await mustRefuse(pickleOf(MAGIC, first, CALL, '.'), names);
    await mustRefuse(pickleOf(MAGIC, first, '\x80\x02}.', CALL, '.'), names);
    // Without torch's number, nothing is read behind the first.
    await scan(pickleOf('}.', CALL, '.'));
    await mustRefuse(Buffer.from('not a pickle at all'), /operation that is not read here|is not there|ends/);
    await mustRefuse(Buffer.alloc(0), /ends within a value/);
  });

  it('refuses files that could be taken for another one', async () => {
    const small = smallCheckpoint();
    const comment = Buffer.concat([small, Buffer.from('PK\x05\x06')]);
    comment.writeUInt16LE(4, small.length - 2);
    await mustRefuse(comment, /something after its zip directory/);
    const twice = [pickleOf('}.'), pickleOf('}.')].map((bytes, index) => ({
      name: index === 0 ? 'archive/data.pkl' : 'archive/DATA.pkl',
      bytes,
    }));
    await mustRefuse(zipOf(twice), /two members of one name/);
    await mustRefuse(
      torchFileOf(pickleOf('}.'), [{ name: 'constants.pkl', bytes: pickleOf('}.') }]),
      /TorchScript/,
    );
    const tar = Buffer.alloc(1024);
    tar.write('pickle', 'latin1');
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 8 * 0x20);
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    await mustRefuse(tar, /is a tar file/);
  });
});

describe('isUnpickled', () => {
  it('is true but for files that no one loads with torch', () => {
    for (const path of [
      'weights/a.pth',
      'a.pt',
      'a.pkl',
      'clip/pytorch_model.bin',
      'a',
      'a.json.pth',
      'a.npy',
    ])
      assert.ok(isUnpickled(path), path);
    for (const path of ['config.json', 'merges.TXT', 'model.safetensors'])
      assert.ok(!isUnpickled(path), path);
  });
});
