import { defineCommand } from 'citty'

export const servers = defineCommand({
  meta: { name: 'servers', description: 'Shows and changes the MCP servers of a running gateway.' },
  subCommands: {
    list: () => import('./servers/list.ts').then(({ list }) => list),
    add: () => import('./servers/add.ts').then(({ add }) => add),
    remove: () => import('./servers/remove.ts').then(({ remove }) => remove),
    tools: () => import('./servers/tools.ts').then(({ tools }) => tools),
    call: () => import('./servers/call.ts').then(({ call }) => call),
    try: () => import('./servers/try.ts').then(({ tryServer }) => tryServer),
  },
})
