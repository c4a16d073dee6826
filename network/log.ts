/** Where a member writes what a person should know; pino's shape, so that a pino logger is one. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export const silentLog: Log = { info() {}, warn() {} }
