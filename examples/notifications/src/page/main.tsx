import './wire/tap.js' // first: what is loaded after it opens the connections
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App.js'
import './styles/base.css'
import './styles/layout.css'
import './styles/device.css'
import './styles/parts.css'
import './styles/tools.css'

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
