import test from 'ava'
import { operationNumbers } from './operations.ts'

test('no two operations have one number', t => {
  const numbers = Object.values(operationNumbers)
  t.is(new Set(numbers).size, numbers.length)
})
