import { useRef, useState } from 'react'
import type { Device } from '../devices.js'
import { usePresenceSetting } from '../usePresenceSetting.js'
import { useProfile } from '../useProfile.js'
import { AccountMenu } from './AccountMenu.js'
import { Avatar } from './Avatar.js'
import { Bell } from './Bell.js'
import { Confirm } from './Confirm.js'
import { ConnectionStatus } from './ConnectionStatus.js'
import { Faults } from './Faults.js'
import { GroupRoom } from './GroupRoom.js'
import { Inbox } from './Inbox.js'
import { Leaderboard } from './Leaderboard.js'
import { People } from './People.js'
import { Progress } from './Progress.js'
import { Toasts } from './Toasts.js'

export function DeviceView({ device }: { readonly device: Device }) {
  const { profile, unreadCount, markRead, remove } = useProfile()
  const [away, setAway] = useState(false)
  const inbox = useRef<HTMLHeadingElement>(null)
  usePresenceSetting(device.kind, away)
  const people = profile?.leaderboard.map(({ userId, name }) => ({ userId, name })) ?? []

  return (
    <>
      <header className="device-top">
        <Avatar userId={device.userId} name={device.userName} />
        <div className="device-name">
          <h2>{device.userName}</h2>
          <p>{device.kind}</p>
        </div>
        <Bell unreadCount={unreadCount} onOpen={() => inbox.current?.focus()} />
        <AccountMenu device={device} away={away} onAway={setAway} />
      </header>
      <ConnectionStatus />
      <Confirm />
      <Toasts deviceName={`${device.userName}’s ${device.kind}`} />
      <Progress profile={profile} />
      <Inbox notifications={profile?.notifications} heading={inbox} onRead={markRead} onRemove={remove} />
      <GroupRoom userId={device.userId} people={people} />
      <Leaderboard entries={profile?.leaderboard} userId={device.userId} />
      <People people={people} />
      <Faults device={device} />
    </>
  )
}
