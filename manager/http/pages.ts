/** What a manager shows over HTTP: a page for people, and the same for programs. */
import type { HttpPages } from '../../network/http/serve.ts'
import type { ManagerStatusReply } from '../../network/wire/operations.ts'
import { pagePolicy, renderPage } from './page.ts'
import { summarize } from './summary.ts'

export function managerPages(status: () => ManagerStatusReply): HttpPages {
  return new Map([
    [
      '/',
      () => ({
        type: 'text/html; charset=utf-8',
        body: renderPage(summarize(status())),
        headers: { 'Content-Security-Policy': pagePolicy },
      }),
    ],
    [
      '/status.json',
      () => ({
        type: 'application/json; charset=utf-8',
        body: `${JSON.stringify(summarize(status()), null, 2)}\n`,
      }),
    ],
  ])
}
