export default {
  files: ['{network,server,manager,client,cli,test,bench}/**/*.test.ts'],
  extensions: ['ts'],
  workerThreads: false,
  concurrency: 2,
  // Of silence: no test may take longer, on a machine that is busy with other things, too.
  timeout: '10m',
}
