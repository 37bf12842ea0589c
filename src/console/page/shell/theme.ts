/** Dark or light: as the system has it, until somebody chooses. */
import { createStore } from '../store.ts'

export type Theme = 'system' | 'light' | 'dark'

const key = 'console-theme'

export const theme = createStore<Theme>(kept())

export function chooseTheme(next: Theme): void {
  theme.set(next)
  applyTheme()
  try {
    if (next === 'system') localStorage.removeItem(key)
    else localStorage.setItem(key, next)
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

export function applyTheme(): void {
  const now = theme.get()
  if (now === 'system') document.documentElement.removeAttribute('data-theme')
  else document.documentElement.setAttribute('data-theme', now)
}

function kept(): Theme {
  try {
    const found = localStorage.getItem(key)
    return found === 'light' || found === 'dark' ? found : 'system'
  } catch {
    return 'system'
  }
}
