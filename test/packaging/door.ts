/**
 * A way into a container's network: `nsenter --net=… bun door.ts SOCKET PORT` listens on a Unix socket of
 * the machine and connects each caller to that port of the container's loopback.
 */
import { connect, createServer } from 'node:net'

const [socket = '', port = ''] = process.argv.slice(2)

createServer((outside) => {
  const inside = connect(Number(port), '127.0.0.1')
  outside.pipe(inside).pipe(outside)
  outside.on('error', () => inside.destroy())
  inside.on('error', () => outside.destroy())
}).listen(socket, () => console.log('open'))
