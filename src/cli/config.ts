import { defineCommand } from 'citty'

export const config = defineCommand({
  meta: { name: 'config', description: 'Shows the configuration that a gateway would run with.' },
  subCommands: {
    print: () => import('./config-print.ts').then(({ configPrint }) => configPrint),
  },
})
