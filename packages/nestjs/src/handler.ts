import { SetMetadata } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { ClientEvent, Contract } from '@org/realtime-contracts'
import type { BaseUser, Handler, HandlerContext } from '@org/realtime-server'

/** What the handler of the event `K` of a contract sees: its payload, the user and their device, and `fail`. */
export type ContextOf<C extends Contract, K extends ClientEvent<C>, User = BaseUser> = HandlerContext<C['clientToServer'][K], K, User>

/** Makes a method the handler of an event. It takes the event's context, or nothing, and returns its reply. */
export type HandlerDecorator<C extends Contract, User> = <K extends ClientEvent<C>>(
  event: K,
) => <M extends Handler<C['clientToServer'][K], K, User>>(target: object, method: string, descriptor: TypedPropertyDescriptor<M>) => void

/** One decorator for each binding of a contract, so that handlers of one are not taken for handlers of another. */
export function createHandlerDecorator() {
  const mark = Reflector.createDecorator<string>()
  const reflector = new Reflector()
  const eventOf = (method: object): string | undefined => (typeof method === 'function' ? reflector.get(mark, method) : undefined)

  const decorate = (event: string) => (target: object, name: string, descriptor: TypedPropertyDescriptor<unknown>) => {
    const method = descriptor.value
    if (typeof method !== 'function' || typeof target === 'function') {
      throw new TypeError(`@RealtimeHandler(${JSON.stringify(event)}): ${name} is no method of an instance`)
    }
    const other = eventOf(method)
    if (other !== undefined) {
      throw new TypeError(`@RealtimeHandler(${JSON.stringify(event)}): ${name} handles ${JSON.stringify(other)} already, and a method handles one event`)
    }
    mark(event)(target, name, descriptor)
    // What Nest itself calls a gateway's or resolver's class: else it would leave out application-wide guards that are request-scoped.
    SetMetadata('__entryProvider__', true)(target.constructor)
  }
  return { decorate, eventOf }
}
