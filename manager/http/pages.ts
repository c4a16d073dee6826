/** What a manager shows over HTTP: a page for people, and the same for programs. */
import { ClusterError } from '../../network/errors.ts'
import type { HttpPage, HttpPages } from '../../network/http/serve.ts'
import type { ManagerStatusReply } from '../../network/wire/operations.ts'
import { pagePolicy, renderPage } from './page.ts'
import { summarize } from './summary.ts'

/** @param status throws ClusterError NOT_LEADER where another manager leads: then there is only that to tell. */
export function managerPages(status: () => ManagerStatusReply): HttpPages {
  return new Map([
    [
      '/',
      orStandby(() => ({
        type: 'text/html; charset=utf-8',
        body: renderPage(summarize(status())),
        headers: { 'Content-Security-Policy': pagePolicy },
      })),
    ],
    [
      '/status.json',
      orStandby(() => ({
        type: 'application/json; charset=utf-8',
        body: `${JSON.stringify(summarize(status()), null, 2)}\n`,
      })),
    ],
  ])
}

/** JSON, which people can read as well. */
function orStandby(page: () => HttpPage): () => HttpPage {
  return () => {
    try {
      return page()
    } catch (error) {
      if (!(error instanceof ClusterError && error.code === 'NOT_LEADER')) throw error
      const body = `${JSON.stringify({ standby: error.message }, null, 2)}\n`
      return { type: 'application/json; charset=utf-8', body }
    }
  }
}
