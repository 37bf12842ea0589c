/** Whose credentials somebody uses: no name that can be chosen is another's. */
import { expect, test } from 'bun:test'
import { ownerIn, ownerOf, sharedOwner } from '../../src/access/owner/credential-owner.ts'
import { personId } from '../../src/access/person.ts'

const ann = personId('https://id.example', 'ann')

test.each<{ why: string; id: string; user?: string; owner: string | null }>([
  { why: 'a person', id: ann, owner: ann },
  { why: 'a key', id: 'key:abcd1234', owner: 'key:abcd1234' },
  { why: 'a key of the admin API', id: 'admin:abcd1234', owner: 'key:abcd1234' },
  { why: 'a key for a user', id: 'key:abcd1234', user: 'ann', owner: 'user:ann' },
  {
    why: 'a key for a person in the words of rules',
    id: 'key:abcd1234',
    user: 'https://id.example ann',
    owner: ann,
  },
  { why: 'the same by its hash', id: 'key:abcd1234', user: ann, owner: ann },
  {
    why: 'a user who is called like the shared account',
    id: 'key:abcd1234',
    user: 'shared',
    owner: 'user:shared',
  },
  {
    why: 'a user who is called like a key',
    id: 'key:abcd1234',
    user: 'key:zzzz9999',
    owner: 'user:key:zzzz9999',
  },
  { why: 'a user who is called like a user', id: 'key:abcd1234', user: 'user:ann', owner: 'user:user:ann' },
  { why: 'a user who is nearly a hash', id: 'key:abcd1234', user: `${ann}0`, owner: `user:${ann}0` },
  { why: 'a token', id: `token:${'a'.repeat(64)}`, owner: null },
  { why: 'an admin token', id: `admin:${'a'.repeat(64)}`, owner: null },
  { why: 'nobody', id: 'anonymous', owner: null },
])('$why: $owner', ({ id, user, owner }) => {
  expect(ownerOf(user === undefined ? { id } : { id, user })).toBe(owner)
  expect(owner).not.toBe(sharedOwner)
})

test.each([
  { text: 'key:abcd1234', owner: 'key:abcd1234' },
  { text: 'user:ann', owner: 'user:ann' },
  { text: ann, owner: ann },
  { text: 'https://id.example ann', owner: ann },
  { text: 'user:https://id.example ann', owner: ann },
  { text: 'ann', owner: null },
  { text: 'shared', owner: null },
  { text: 'token:abcd1234', owner: null },
  { text: 'key:ABCD', owner: null },
  { text: '', owner: null },
])('an admin means by "$text" $owner', ({ text, owner }) => {
  expect(ownerIn(text)).toBe(owner)
})
