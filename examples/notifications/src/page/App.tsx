import { useState } from 'react'
import { DEVICES } from './devices.js'
import { DevicePanel } from './parts/DevicePanel.js'
import { Outbox } from './parts/Outbox.js'
import { Outside } from './parts/Outside.js'
import { Timeline } from './parts/Timeline.js'
import { ViewSwitch } from './parts/ViewSwitch.js'

/** All of it side by side; on a phone one view at a time. */
export function App() {
  const [view, setView] = useState<string>(DEVICES[0]?.id ?? 'server')
  const shown = (name: string) => (view === name ? 'view' : 'view view-other')
  return (
    <>
      <header className="top">
        <h1>
          <span className="mark" aria-hidden="true" />
          Notifications
        </h1>
        <p>Three devices of two users in one page, each with a connection of its own, and everything they say to the server.</p>
      </header>
      <ViewSwitch view={view} onChange={setView} />
      <main className="board">
        <div className={`${shown('server')} backend`}>
          <Outside />
          <Outbox />
        </div>
        <div className="devices">
          {DEVICES.map((device) => (
            <DevicePanel key={device.id} device={device} className={shown(device.id)} />
          ))}
        </div>
        <div className={`${shown('wire')} wire`}>
          <Timeline />
        </div>
      </main>
    </>
  )
}
