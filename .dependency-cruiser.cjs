/** The rooms and the direction of imports between them; ARCHITECTURE.md shows the picture. */
const room = (from, allowed) => ({
  name: `${from}-imports`,
  severity: 'error',
  from: { path: `^${from}/` },
  to: {
    pathNot: [`^${from}/`, ...allowed.map((path) => `^${path}`), '^node_modules/', '^node:'],
    dependencyTypesNot: ['core'],
  },
});

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'no-circular-folders', severity: 'error', scope: 'folder', from: {}, to: { circular: true } },
    room('contracts', []),
    room('workflows', ['contracts/']),
    room('planning', ['contracts/']),
    room('activities', ['contracts/', 'planning/', 'workflows/base/messages.ts']),
    room('workers', ['contracts/', 'planning/', 'activities/', 'workflows/base/messages.ts']),
    room('cli', [
      'contracts/',
      'planning/',
      'activities/checkpoints/',
      'activities/files/',
      'activities/plans/sweep-objects.ts',
      'activities/preflight/python-check.ts',
      'activities/storage/',
      'activities/support/',
      'activities/torch-file/',
      'activities/weights/',
      'workflows/base/messages.ts',
    ]),
    room('sandbox', [
      'contracts/',
      'planning/',
      'cli/',
      'activities/training/',
      'workflows/base/messages.ts',
    ]),
    room('workflows/stage', ['workflows/base/', 'contracts/']),
    room('workflows/run', ['workflows/base/', 'workflows/stage/', 'contracts/']),
    room('workflows/sweep', ['workflows/base/', 'workflows/run/', 'contracts/']),
    room('workflows/pool', ['workflows/base/', 'contracts/']),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test|bench)/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
};
