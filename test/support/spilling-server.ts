/**
 * A server on stdio that spills API_KEY and dies, in ways in which the text is cut on its way:
 * `bun spilling-server.ts MODE`. Modes: `environment` (API_KEY and, behind it, the long PADDING), `head` (the first
 * characters of a line of stdout that is far too long), `wrapped` (in two lines, at API_KEY's middle), `writes` (in
 * two writes with another program's line between them).
 */
const mode = process.argv[2]
const { API_KEY: key = '', PADDING: padding = '' } = process.env
const [first, second] = [key.slice(0, key.length / 2), key.slice(key.length / 2)]

const spilt: Readonly<Record<string, string>> = {
  environment: `starting with environment\nAPI_KEY=${key}\nPADDING=${padding}\nfatal: no network\n`,
  wrapped: `cannot log in with\n${first}\n${second}\n`,
  writes: `cannot log in with ${first}INFO other: up\n${second} is no key\n`,
}

if (mode === 'head')
  process.stdout.write(`${'-'.repeat(200)} ${key} ${'x'.repeat(1 << 20)}\n`, () => process.exit(3))
else process.stderr.write(spilt[mode ?? ''] ?? '', () => process.exit(3))
