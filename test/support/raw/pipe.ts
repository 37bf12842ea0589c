/** The raw server on stdin and stdout, one message a line. */
import { Peer } from './peer.ts'

/** Serves until stdin ends. `heard` is told every message. */
export function servePipe(heard: (text: string) => void): void {
  const write = (data: string | Uint8Array) =>
    new Promise<void>((resolve) => {
      process.stdout.write(data, () => resolve())
    })
  const peer = new Peer((texts) => write(`${texts.join('\n')}\n`), write)
  let pieces: Buffer[] = []
  process.stdin.on('data', (chunk: Buffer) => {
    let rest = chunk
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...pieces, rest.subarray(0, end)]).toString('utf8')
      pieces = []
      rest = rest.subarray(end + 1)
      if (line.trim() === '') continue
      heard(line)
      void peer.receive(line)
    }
    if (rest.length > 0) pieces.push(rest)
  })
  process.stdin.on('end', () => process.exit(0))
}
