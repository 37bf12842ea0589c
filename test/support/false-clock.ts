/** A wall clock that a test sets for one program, by a library that is loaded before all others. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from './temporary-directory.ts'

/** The compiler that the library takes; null where none is installed. */
export const compiler = Bun.which('cc')

export interface FalseClock extends Disposable {
  /** Of the program. */
  readonly env: Readonly<Record<string, string>>
  /** Seconds between the clock of the machine and that of the program from now on. */
  set(seconds: number): void
}

const source = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long aside(void) {
  long seconds = 0;
  FILE *file = fopen(getenv("FALSE_CLOCK"), "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
  fclose(file);
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (real == NULL) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (clock == CLOCK_REALTIME) time->tv_sec += aside();
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  static int (*real)(struct timeval *, void *);
  if (real == NULL) real = dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(time, zone);
  time->tv_sec += aside();
  return result;
}
`

export function createFalseClock(): FalseClock {
  if (compiler === null) throw new Error('no C compiler is installed')
  const directory = temporaryDirectory()
  const [code, library, seconds] = ['clock.c', 'clock.so', 'seconds'].map((name) =>
    join(directory.path, name),
  )
  if (code === undefined || library === undefined || seconds === undefined) throw new Error('unreachable')
  writeFileSync(code, source)
  writeFileSync(seconds, '0')
  const { exitCode, stderr } = Bun.spawnSync([compiler, '-shared', '-fPIC', '-o', library, code, '-ldl'])
  if (exitCode !== 0) throw new Error(`the library could not be built: ${stderr.toString()}`)
  return {
    env: { LD_PRELOAD: library, FALSE_CLOCK: seconds },
    set: (aside) => writeFileSync(seconds, String(aside)),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  }
}
