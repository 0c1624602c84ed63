/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/*/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    // Signatures and encoding are loops too.
    '\\.ts$|/(@noble|cborg)/.*\\.js$': [
      '<rootDir>/test/transformer.js',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!@noble/|cborg/)'],
  // For machines that do something else meanwhile: what hangs, hangs longer than this too.
  testTimeout: 90_000,
  maxWorkers: 2,
  testSequencer: '<rootDir>/test/sequencer.js',
  reporters: ['default', '<rootDir>/test/summary-reporter.js'],
};
