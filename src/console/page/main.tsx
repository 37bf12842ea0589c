/** The page begins here. */
import './style/all.css'
import { render } from 'preact'
import { loadSession } from './api/session.ts'
import { App } from './shell/app.tsx'
import { applyTheme } from './shell/theme.ts'

applyTheme()
const place = document.getElementById('app')
if (place !== null) render(<App />, place)
void loadSession()
// A browser may keep the page as it was when somebody left it, and show it to whoever goes back.
addEventListener('pageshow', (event: PageTransitionEvent) => {
  if (event.persisted) location.reload()
})
