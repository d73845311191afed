import { useState } from 'react'
import { useEvent, useRoom } from '../devices.js'
import { useStickToEnd } from '../useStickToEnd.js'
import { Avatar } from './Avatar.js'
import { Composer } from './Composer.js'
import type { Person } from './People.js'
import { Typing } from './Typing.js'

interface Message {
  readonly id: string
  readonly userId: string
  readonly text: string
}

interface GroupRoomProps {
  readonly userId: string
  readonly people: readonly Person[]
}

const GROUP = 'mission-control'
const KEPT = 20

/** A room, with those who are in it and what they say. */
export function GroupRoom({ userId, people }: GroupRoomProps) {
  const [isWanted, setWanted] = useState(true)
  const [messages, setMessages] = useState<readonly Message[]>([])
  const { members = [], joined, error } = useRoom('group', isWanted ? GROUP : null)
  useEvent('message:new', ({ group, message }) => {
    if (group === GROUP) setMessages((shown) => [...shown, message].slice(-KEPT))
  })
  const scrolled = useStickToEnd<HTMLDivElement>(messages)
  const nameOf = (id: string): string => people.find((person) => person.userId === id)?.name ?? id

  return (
    <div className="part group">
      <div className="part-top">
        <h3>Mission control</h3>
        <ul className="members" aria-label="In the room">
          {members.map((member) => (
            <li key={member} title={nameOf(member)}>
              <Avatar userId={member} name={nameOf(member)} />
              <span className="hidden">{nameOf(member)}</span>
            </li>
          ))}
        </ul>
        <button type="button" className="small" onClick={() => setWanted(!isWanted)}>
          {isWanted ? 'Leave' : 'Join'}
          <span className="hidden"> mission control</span>
        </button>
      </div>
      <div ref={scrolled} className="messages scroll" role="log" tabIndex={0} aria-label="Messages">
        {messages.length === 0 && <p className="empty">{error ? error.message : isWanted ? 'No messages yet. Say something.' : 'You are not in this room.'}</p>}
        {messages.map(({ id, userId: from, text }) => (
          <p key={id} data-own={from === userId}>
            <strong>{nameOf(from)}</strong> {text}
          </p>
        ))}
      </div>
      <Typing group={GROUP} nameOf={nameOf} />
      <Composer group={GROUP} joined={joined} />
    </div>
  )
}
