/** Steps that fall into the midst of a client's requests. */
import type { Cluster } from '../../client/cluster/contract.ts'
import type { OperationName } from '../../network/wire/operations.ts'

type Ask = (name: OperationName, ...rest: readonly unknown[]) => Promise<unknown>

/** Once, when the client's next change of that name is about to be sent. */
export function beforeAsking(
  client: Cluster,
  name: OperationName,
  step: () => Promise<unknown>,
): void {
  between(client, 'mutate', name, async ask => {
    await step()
    return await ask()
  })
}

/** Once, when the next request of that name was answered, and its caller has not heard yet. */
export function afterAnswer(
  client: Cluster,
  how: 'query' | 'mutate',
  name: OperationName,
  step: () => Promise<unknown>,
): void {
  between(client, how, name, async ask => {
    const answer = await ask()
    await step()
    return answer
  })
}

function between(
  client: Cluster,
  how: 'query' | 'mutate',
  awaited: OperationName,
  run: (ask: () => Promise<unknown>) => Promise<unknown>,
): void {
  const asks = client[how].bind(client) as Ask
  let isOver = false
  const patched: Ask = (name, ...rest) => {
    if (isOver || name !== awaited) return asks(name, ...rest)
    isOver = true
    return run(() => asks(name, ...rest))
  }
  Object.assign(client, { [how]: patched })
}
