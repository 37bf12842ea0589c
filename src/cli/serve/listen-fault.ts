/** Why a gateway cannot listen there, in the words of the start and of `config check`; null for what is no such reason. */
export function listenFault(host: string, port: number, code: string | undefined): string | null {
  switch (code) {
    case 'EACCES':
      return `not allowed to listen on ${host}:${port}; ports below 1024 need a privilege`
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine; choose another with --mcp-host`
    case 'ENOTFOUND':
      return `${host} is no address of this machine: the name does not resolve; choose another with --mcp-host`
    default:
      return null
  }
}
