/** Clocks that jump and processes that stand still: nothing that was answered is lost, and nothing waits for ever. */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCaller } from '../support/callers.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { pidOf, rawStdio, statusOf } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** The wall clock of whoever loads it is ahead by the seconds in the file CLOCK_OFFSET. */
const clockShim = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long *ahead;
__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("CLOCK_OFFSET");
  int file = path ? open(path, O_RDONLY) : -1;
  if (file >= 0) ahead = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
}
int clock_gettime(clockid_t clock, struct timespec *at) {
  int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, at);
  if (ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *ahead;
  return result;
}
int gettimeofday(struct timeval *at, void *zone) {
  int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(at, zone);
  if (ahead) at->tv_sec += *ahead;
  return result;
}
`
const compiler = Bun.which('cc')
const hour = 3_600

/** A gateway whose wall clock can be set, or null where nothing compiles C. */
async function shiftableGateway(directory: string, config: Record<string, unknown>) {
  const source = join(directory, 'clock.c')
  const shim = join(directory, 'clock.so')
  const offset = join(directory, 'offset')
  writeFileSync(source, clockShim)
  const built = Bun.spawnSync([compiler ?? '', '-shared', '-fPIC', '-o', shim, source, '-ldl'])
  expect(built.stderr.toString()).toBe('')
  const shift = (seconds: number) =>
    writeFileSync(offset, new BigInt64Array([BigInt(seconds)]), { flag: 'r+' })
  writeFileSync(offset, Buffer.alloc(8))
  const env = { LD_PRELOAD: shim, CLOCK_OFFSET: offset }
  const gateway = await startGatewayProcess({ via: 'executable', env, config })
  return { gateway, shift }
}

describe.if(compiler !== null)('a wall clock that jumps', () => {
  test.concurrent.each([
    { seconds: hour, why: 'the clock was set an hour ahead' },
    { seconds: -hour, why: 'the clock was set an hour back' },
  ])('ends no call and no session when $why', async ({ seconds }) => {
    using directory = temporaryDirectory()
    const { gateway, shift } = await shiftableGateway(directory.path, {
      mcps: [rawStdio('raw', { timeout: '20s' })],
    })
    await using _ = gateway
    await using idle = await RawClient.open(gateway.face('raw', 'stream'))
    await using busy = await RawClient.open(gateway.face('raw', 'stream'))
    const call = busy.callTool(1, 'slow', { ms: 1_500 })
    await poll('the call to be under way', async () => (await statusOf(gateway, 'raw')).totalRequests >= 1)
    shift(seconds)
    expect((await call).answer.error).toBeUndefined()
    expect((await idle.callTool(2, 'echo', {})).answer.error).toBeUndefined()
  })

  test.concurrent('keeps no call waiting beyond its time-out when it is set back', async () => {
    using directory = temporaryDirectory()
    const { gateway, shift } = await shiftableGateway(directory.path, {
      mcps: [rawStdio('raw', { timeout: '1s' })],
    })
    await using _ = gateway
    await using client = await RawClient.open(gateway.face('raw', 'stream'))
    const call = client.callTool(1, 'slow', { ms: 30_000 })
    await poll('the call to be under way', async () => (await statusOf(gateway, 'raw')).totalRequests >= 1)
    shift(-hour)
    expect((await call).answer.error?.message).toContain('1000 ms')
  })

  test.concurrent('keeps no server down longer when it is set back', async () => {
    using directory = temporaryDirectory()
    const { gateway, shift } = await shiftableGateway(directory.path, {
      mcps: [rawStdio('raw', { reconnectDelay: '300ms' })],
    })
    await using _ = gateway
    await using caller = await openCaller(gateway, 'raw', 'stream')
    process.kill(await pidOf(caller), 'SIGKILL')
    shift(-hour)
    await poll('the server to be back', async () => (await statusOf(gateway, 'raw')).status === 'connected')
  })
})

test.concurrent('a gateway that was stopped gives every answer that came meanwhile', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { timeouts: { health_probe: '500ms' } },
      mcps: [rawStdio('raw', { timeout: '2s', healthCheckInterval: '1s' })],
    },
  })
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => RawClient.open(gateway.face('raw', 'stream'))),
  )
  const calls = clients.map((client, n) => client.callTool(n, 'slow', { ms: 700 }))
  await poll('the calls to be under way', async () => {
    return (await statusOf(gateway, 'raw')).totalRequests >= clients.length
  })
  process.kill(gateway.pid, 'SIGSTOP')
  // The stop itself is what is tested: longer than the time-outs of the calls and of the probe.
  await Bun.sleep(3_500)
  process.kill(gateway.pid, 'SIGCONT')
  const answers = await Promise.all(calls)
  expect(answers.filter(({ answer }) => answer.error !== undefined)).toEqual([])
  const { status, reconnectAttempts, lastError } = await statusOf(gateway, 'raw')
  expect({ status, reconnectAttempts, lastError }).toEqual({
    status: 'connected',
    reconnectAttempts: 0,
    lastError: null,
  })
  await Promise.all(clients.map((client) => client.close()))
})
