import test from 'ava'
import { type Interfaces, reachable } from './reachable.ts'

const info = (address: string, internal = false) => ({
  address,
  internal,
  family: address.includes(':') ? ('IPv6' as const) : ('IPv4' as const),
  netmask: '',
  mac: '',
  cidr: null,
  ...(address.includes(':') ? { scopeid: 0 } : {}),
})

const machine = {
  lo: [info('127.0.0.1', true), info('::1', true)],
  eth0: [info('10.0.0.1'), info('fd00::1'), info('fe80::1')],
  eth1: [info('192.168.1.1')],
} as Interfaces

test('an address of one interface stays as it is', t => {
  const addresses = ['unix:/x', 'tcp://10.0.0.1:7401', 'libp2p://host:1/12D3']
  t.deepEqual(reachable(addresses, machine), addresses)
})

test('an address of all interfaces becomes each that the machine has in a network', t => {
  t.deepEqual(reachable(['tcp://0.0.0.0:7401'], machine), [
    'tcp://10.0.0.1:7401',
    'tcp://192.168.1.1:7401',
  ])
  t.deepEqual(reachable(['libp2p://[::]:7400/12D3'], machine), [
    'libp2p://10.0.0.1:7400/12D3',
    'libp2p://192.168.1.1:7400/12D3',
    'libp2p://[fd00::1]:7400/12D3',
  ])
})

test('a machine without a network is reached by itself', t => {
  const { lo } = machine
  t.deepEqual(reachable(['tcp://0.0.0.0:1'], { lo }), ['tcp://127.0.0.1:1'])
})
