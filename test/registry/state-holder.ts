/** Takes a state directory, says so, and keeps it until it is ended. Started by state-lock.test.ts. */
import { lockState } from '../../src/registry/storage/state-lock.ts'

const lock = lockState(process.argv[2] ?? '', '1.2.3')
lock.announce('http://127.0.0.1:6001')
console.log('held')
// What nobody refers to any more is collected, and the lock with it.
setInterval(() => lock, 60_000)
