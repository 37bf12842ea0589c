/** The settings of what there is too much of: bytes, sessions, processes, calls. */
import { integer, mebibyte, setting, size } from '../values.ts'

const unboundedMax = 1_000_000_000

export const limitSettings = {
  bodyBytesMax: setting({ kind: size(1024), initial: 4 * mebibyte, doc: 'Largest request body.' }),
  lineBytesMax: setting({
    kind: size(1024),
    initial: 64 * mebibyte,
    doc: 'Largest single message that an MCP server may send.',
  }),
  resultBytesMax: setting({
    kind: size(1024),
    initial: 64 * mebibyte,
    doc: 'Largest result of one request that a server may answer with.',
  }),
  heldBytesMax: setting({
    kind: size(mebibyte),
    initial: 128 * mebibyte,
    doc: 'Bytes that are held for all clients together: large answers that arrive or are not read, large requests under way, sessions, subscriptions, parked calls.',
  }),
  heldBytesPerClientMax: setting({
    kind: size(mebibyte),
    initial: 64 * mebibyte,
    doc: 'Bytes of these that are held for one client. Past it, answers of which it has read nothing for 5 s are cut, and what then finds no room is refused.',
  }),
  sessionsMax: setting({ kind: integer(1, unboundedMax), initial: 10_000, doc: 'Sessions in all.' }),
  sessionsPerClientMax: setting({
    kind: integer(1, unboundedMax),
    initial: 1000,
    doc: 'Sessions of one client; as many subscriptions of clients without sessions.',
  }),
  processesMax: setting({ kind: integer(1, 100_000), initial: 256, doc: 'Child processes in all.' }),
  processesPerClientMax: setting({
    kind: integer(1, 100_000),
    initial: 128,
    doc: 'Child processes that only one client uses; never more than half of those in all.',
  }),
  inFlightPerServerMax: setting({
    kind: integer(1, unboundedMax),
    initial: 1024,
    doc: 'Requests that one server may have in flight.',
  }),
  groupListItemsMax: setting({
    kind: integer(1, unboundedMax),
    initial: 2000,
    doc: 'Items of a list that a group answers with at once; the others follow page by page.',
  }),
  groupListBytesMax: setting({
    kind: size(1024),
    initial: 4 * mebibyte,
    doc: 'Bytes of such a list.',
  }),
  rate: {
    perSecond: setting({
      kind: integer(0, unboundedMax),
      initial: 0,
      doc: 'Requests a second that one client may make on average. 0: no limit.',
    }),
    burst: setting({
      kind: integer(1, unboundedMax),
      initial: 20,
      doc: 'Requests that one client may make at once before the rate counts.',
    }),
  },
  replayEventsMax: setting({
    kind: integer(0, unboundedMax),
    initial: 1024,
    doc: 'Events that a session keeps for clients that resume a stream.',
  }),
  replayBytesMax: setting({
    kind: size(0),
    initial: 4 * mebibyte,
    doc: 'Bytes of such events, per session.',
  }),
  streamBufferBytesMax: setting({
    kind: size(1024),
    initial: 16 * mebibyte,
    doc: 'Bytes that wait for a slow reader of one stream before the stream is ended.',
  }),
  parkedCallsMax: setting({
    kind: integer(1, unboundedMax),
    initial: 1000,
    doc: 'Calls that wait for input of their client. Half of them may be of one client.',
  }),
} as const
