import { CONTROL, isObject, toPosition } from '@org/realtime-contracts/wire'
import type { Admission } from './admission.js'
import type { Connection } from './connection.js'
import type { ControlHandler, Dispatcher } from './dispatch.js'
import type { BaseUser } from './identity.js'
import type { LogStore } from './log.js'
import { type Rooms, userRoom } from './rooms.js'
import type { Watching } from './watching.js'

const MAX_RECEIPTS = 100 // in one message; a client of the SDK sends no more

/** What answers the SDK's own events. */
export interface ControlParts<User extends BaseUser> {
  readonly admission: Admission<User>
  readonly rooms: Rooms<User>
  readonly watching: Watching<User>
  readonly logs: LogStore
}

/** Has the dispatcher answer the events of the SDK itself. */
export function handleControls<User extends BaseUser>(
  dispatcher: Dispatcher<User, Connection<User>>,
  { admission, rooms, watching, logs }: ControlParts<User>,
): void {
  const inTurn = (event: string, handler: ControlHandler<Connection<User>>): void =>
    dispatcher.control(event, (payload, connection) => connection.inTurn(() => handler(payload, connection)))
  inTurn(CONTROL.join, (payload, connection) => rooms.join(payload, connection))
  inTurn(CONTROL.leave, (payload, connection) => rooms.leave(payload, connection))
  inTurn(CONTROL.authenticate, async (payload, connection) => {
    const session = await admission.renew(payload, connection)
    await rooms.authorizeAgain(connection)
    await watching.authorizeAgain(connection)
    return session
  })
  inTurn(CONTROL.watch, (payload, connection) => (isRoom(payload) ? rooms : watching).watch(payload, connection))
  inTurn(CONTROL.unwatch, (payload, connection) => (isRoom(payload) ? rooms : watching).unwatch(payload, connection))
  inTurn(CONTROL.set, (payload, connection) => watching.set(payload, connection))
  dispatcher.control(CONTROL.ack, (payload, connection) => confirm(payload, connection.user.userId, logs))
}

/** What the client's device has taken in. */
async function confirm(payload: unknown, userId: string, logs: LogStore): Promise<void> {
  const { receipts } = isObject(payload) ? payload : {}
  const positions = Array.isArray(receipts) ? receipts.slice(0, MAX_RECEIPTS).map(toPosition) : []
  const valid = positions.filter((position) => position !== undefined)
  if (valid.length > 0) await logs.confirm(userRoom(userId), valid)
}

/** What a client watches: a room's members, or users. */
function isRoom(payload: unknown): boolean {
  return isObject(payload) && 'kind' in payload
}
