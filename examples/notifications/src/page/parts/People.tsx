import { useConnection, usePresence } from '../devices.js'
import { Avatar } from './Avatar.js'

export interface Person {
  readonly userId: string
  readonly name: string
}

type Presence = ReturnType<typeof usePresence>['users'] extends ReadonlyMap<string, infer User> ? User : never

/** Who is online, and on how many devices. */
export function People({ people }: { readonly people: readonly Person[] }) {
  const { users } = usePresence(people.map(({ userId }) => userId))
  const { showOffline } = useConnection()
  return (
    <div className="part people">
      <div className="part-top">
        <h3>Who is online</h3>
      </div>
      <ul>
        {people.map(({ userId, name }) => {
          const state = showOffline ? UNKNOWN : stateOf(users.get(userId))
          return (
            <li key={userId} data-state={state.name}>
              <Avatar userId={userId} name={name} />
              <span>{name}</span>
              <small>{state.text}</small>
            </li>
          )
        })}
      </ul>
    </div>
  )
}

interface State {
  readonly name: 'online' | 'away' | 'offline'
  readonly text: string
}

// Without a connection, what was last heard may be long past.
const UNKNOWN: State = { name: 'offline', text: 'unknown' }

function stateOf(user: Presence | undefined): State {
  if (!user?.online) return { name: 'offline', text: 'offline' }
  if (user.devices.length > 0 && user.devices.every(({ meta }) => meta?.away)) return { name: 'away', text: 'away' }
  return { name: 'online', text: user.devices.length > 1 ? `${user.devices.length} devices` : 'online' }
}
