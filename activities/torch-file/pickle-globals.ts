/**
 * @module Names in a pickle that serve to run code: a file that has one is refused, though nothing here would run it.
 *
 * The next program that opens the file might. Other names that mean nothing here are harmless: torch's own files hold
 * optimizers' classes, argparse.Namespace and numpy's scalars.
 */
/** All that these modules have, and what lies below them. */
const MODULES = new Set([
  ...[
    'os',
    'posix',
    'posixpath',
    'nt',
    'ntpath',
    'subprocess',
    '_posixsubprocess',
    'pty',
    'commands',
    'popen2',
  ],
  ...[
    'sys',
    'shutil',
    'socket',
    '_socket',
    'ctypes',
    '_ctypes',
    'importlib',
    'imp',
    'runpy',
    'code',
    'codeop',
  ],
  ...[
    'pickle',
    '_pickle',
    'cPickle',
    'marshal',
    'shelve',
    'dill',
    'cloudpickle',
    'multiprocessing',
    'asyncio',
  ],
  ...[
    'webbrowser',
    'httplib',
    'requests',
    'aiohttp',
    'ftplib',
    'smtplib',
    'telnetlib',
    'pip',
    'ensurepip',
    'venv',
  ],
  ...['pydoc', 'timeit', 'pdb', 'bdb', 'profile', 'cProfile'],
]);

/** Single names of modules that otherwise have harmless ones. */
const NAMES = new Set([
  ...[
    'eval',
    'exec',
    'execfile',
    'compile',
    'apply',
    '__import__',
    'open',
    'file',
    'input',
    'raw_input',
  ].flatMap(inBuiltins),
  ...['getattr', 'setattr', 'delattr', 'globals', 'locals', 'vars', 'breakpoint', 'memoryview'].flatMap(
    inBuiltins,
  ),
  ...['operator.attrgetter', 'operator.methodcaller', '_operator.attrgetter', '_operator.methodcaller'],
  ...[
    'types.CodeType',
    'types.FunctionType',
    'functools.reduce',
    'io.open',
    '_io.open',
    'io.FileIO',
    '_io.FileIO',
  ],
  ...['torch.load', 'torch.serialization.load', 'torch.jit.load', 'torch.storage._load_from_bytes'],
  ...['torch.utils.cpp_extension.load', 'torch.utils.cpp_extension.load_inline', 'numpy.load'],
]);

/** torch's own have about 70 characters, and at most five parts. */
const LONGEST_NAME = 256;
const MOST_PARTS = 16;

/** Whether the length of a class's name, module included, is one that Python programs have. */
export function isPlausibleName(module: string, name: string): boolean {
  return module.length + name.length <= LONGEST_NAME && name.split('.', MOST_PARTS + 1).length <= MOST_PARTS;
}

/**
 * True for `os.system` as for `x.os.system`: from protocol 4 on a name may itself reach through modules. The work grows
 * with the square of the name's parts: ask `isPlausibleName` first.
 */
export function runsCode(module: string, name: string): boolean {
  const parts = name.split('.');
  const reached = parts.map((_, index) => parts.slice(index).join('.'));
  return [`${module}.${name}`, ...reached.slice(0, -1)].some(isKnownToRunCode);
}

function isKnownToRunCode(path: string): boolean {
  const [root = ''] = path.split('.');
  return MODULES.has(root) || NAMES.has(path) || path.startsWith('torch.hub.') || path.endsWith('.runstring');
}

function inBuiltins(name: string): readonly string[] {
  return [`builtins.${name}`, `__builtin__.${name}`, `__builtins__.${name}`];
}
