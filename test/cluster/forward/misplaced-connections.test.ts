/** Which connections are ended so that the kernel deals them out anew: those that are at the wrong worker for good. */
import { expect, test } from 'bun:test'
import { MisplacedConnections } from '../../../src/cluster/forward/misplaced-connections.ts'
import { peerAddress } from '../../../src/net/address.ts'

const peer = peerAddress('192.0.2.1')
const on = (peerPort?: number) => ({ peer, ...(peerPort !== undefined && { peerPort }) })

/** `a4`: a request for `a` on port 4 was passed on; `-4`: one on port 4 was served here. */
function ended(steps: string): string[] {
  const connections = new MisplacedConnections(() => 0)
  return steps.split(' ').filter((step) => {
    const by = on(Number(step.slice(1)))
    if (step.startsWith('-')) connections.served(by)
    return !step.startsWith('-') && connections.passedOn(by, step.slice(0, 1))
  })
}

test.each([
  { why: 'a connection of one session', steps: 'a1 a1 a1 a1', ends: ['a1'] },
  { why: 'one that has brought too little', steps: 'a1 a1 a1', ends: [] },
  { why: 'one that others use as well, each elsewhere', steps: 'a1 b1 a1 b1 a1 b1 a1 b1', ends: [] },
  { why: 'one that a session here uses as well', steps: 'a1 a1 a1 -1 a1 a1 a1 -1 a1', ends: [] },
  { why: 'two of one session', steps: 'a1 a2 a1 a2 a1 a2 a1 a2', ends: ['a1', 'a2'] },
  { why: 'one that was changed over to another session', steps: 'a1 a1 b1 b1 b1 b1', ends: ['b1'] },
  { why: 'the next one, of the same port', steps: 'a1 a1 a1 a1 a1 a1 a1 a1', ends: ['a1', 'a1'] },
])('$why', ({ steps, ends }) => {
  expect(ended(steps)).toEqual([...ends])
})

test('a connection whose other end is not known stays', () => {
  const connections = new MisplacedConnections()
  for (let n = 0; n < 8; n++) expect(connections.passedOn(on(), 'a')).toBe(false)
})

test('no more are ended than a rate allows, whoever begins new ones again and again', () => {
  let nowMs = 0
  const connections = new MisplacedConnections(() => nowMs)
  const endedOf = (count: number): number => {
    let endings = 0
    for (let port = 1; port <= count; port++)
      for (let n = 0; n < 4; n++) if (connections.passedOn(on(port), `s${port}`)) endings++
    return endings
  }
  expect(endedOf(1_000)).toBe(256)
  nowMs = 1_000
  expect(endedOf(1_000)).toBe(16)
})

test('a flood of connections is remembered within a bound', () => {
  const connections = new MisplacedConnections(() => 0)
  for (let n = 0; n < 3; n++) connections.passedOn(on(1), 'a')
  for (let port = 2; port <= 5_000; port++) connections.passedOn(on(port), 'b')
  // The oldest is forgotten, and is judged anew.
  expect(connections.passedOn(on(1), 'a')).toBe(false)
})
