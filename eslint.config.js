import tseslint from 'typescript-eslint';
import { builtinModules } from 'node:module';

const nodeBuiltins = builtinModules.flatMap((name) => [name, `node:${name}`]);

/** Two processes share no memory and workflow code replays, so rooms may only import what ARCHITECTURE.md allows. */
const workflowImports = {
  paths: nodeBuiltins.map((name) => ({
    name,
    message: 'Workflows are deterministic: no clock, disk, process or network. Make it an activity.',
  })),
  patterns: [
    {
      group: ['**/activities/**', '**/planning/**', '**/workers/**', '**/cli/**', '**/sandbox/**'],
      message:
        'Workflows import contracts and each other only. Shared constants and types belong in contracts/.',
    },
  ],
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.ci/', 'eslint.config.js', '.dependency-cruiser.cjs'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-console': 'error',
      'max-lines': ['error', { max: 250 }],
      'max-lines-per-function': ['error', { max: 60, IIFEs: true }],
      'object-shorthand': 'error',
      // `const { left, ...rest }` is how a property is left out.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      eqeqeq: 'error',
      // A recursive JSON type can only be written as an index signature.
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // The way to leave a key out of an object.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  { files: ['workflows/**'], rules: { 'no-restricted-imports': ['error', workflowImports] } },
  {
    files: [
      'cli/**',
      'sandbox/**',
      'bench/**',
      'test/run.ts',
      'test/replay/record.ts',
      'test/storm/main.ts',
      'test/fuzz/main.ts',
    ],
    rules: { 'no-console': 'off' },
  },
  // A suite of tests or cases is one function.
  { files: ['test/**', 'bench/**'], rules: { 'max-lines-per-function': 'off' } },
  {
    files: ['test/**'],
    rules: {
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      // node:test's describe and it return promises that the runner itself awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] },
          ],
        },
      ],
    },
  },
);
