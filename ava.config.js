export default {
  files: ['{network,server,manager,client,cli,test,bench}/**/*.test.ts'],
  extensions: ['ts'],
  workerThreads: false,
  concurrency: 2,
  timeout: '3m',
}
