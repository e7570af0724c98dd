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
    room('contracts', []),
    room('workflows', ['contracts/']),
    room('activities', ['contracts/', 'configs/', 'workflows/messages.ts']),
    room('configs', ['contracts/']),
    room('workers', ['contracts/', 'configs/', 'activities/', 'workflows/messages.ts']),
    room('cli', [
      'activities/sweeps/',
      'contracts/',
      'configs/',
      'activities/checkpoints/',
      'activities/health/python.ts',
      'activities/stages/running.ts',
      'activities/storage/',
      'activities/weights/',
      'workflows/messages.ts',
    ]),
    room('sandbox', ['contracts/', 'configs/', 'cli/', 'activities/training/', 'workflows/messages.ts']),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test|bench)/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
};
