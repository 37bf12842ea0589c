import { expect, test } from 'bun:test'
import { nearestName } from '../../src/registry/nearest-name.ts'

const known = ['name', 'command', 'args', 'healthCheckInterval', 'url']

test.each<{ typed: string; meant: string | null; why: string }>([
  { typed: 'comand', meant: 'command', why: 'a letter is missing' },
  { typed: 'commmand', meant: 'command', why: 'a letter is too much' },
  { typed: 'health_check_interval', meant: 'healthCheckInterval', why: 'another way to join words' },
  { typed: 'NAME', meant: 'name', why: 'another case' },
  { typed: 'uri', meant: 'url', why: 'one letter of three' },
  { typed: 'environment', meant: null, why: 'nothing like it' },
  { typed: 'xyz', meant: null, why: 'nothing like it, although everything short is near' },
  { typed: '', meant: null, why: 'nothing' },
  { typed: 'command'.repeat(20), meant: null, why: 'too long for a name' },
])('$typed means $meant: $why', ({ typed, meant }) => {
  expect(nearestName(typed, known)).toBe(meant)
})
