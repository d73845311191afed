import { type DiscoveryService, type ExternalContextCreator, MetadataScanner } from '@nestjs/core'
import type { MiddlewareContext } from '@org/realtime-server'
import { toFailure, withQuietFailures } from './exceptions.js'

/** The event that a method is the handler of. */
export type EventOf = (method: object) => string | undefined

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number]
type Instance = Readonly<Record<string, (context: MiddlewareContext) => unknown>>

/** A method that handles an event. */
export interface FoundHandler {
  readonly event: string
  readonly instance: Instance
  readonly method: string
  /** Of the provider: by it Nest finds the transient guards that it has made for this provider. */
  readonly providerId: string
}

/**
 * The handlers among the methods of the application's providers.
 * @throws TypeError for one that Nest could not call with all that applies to it.
 */
export function findHandlers(discovery: DiscoveryService, eventOf: EventOf): FoundHandler[] {
  const scanner = new MetadataScanner()
  const found = new Map<Instance, FoundHandler[]>()
  const astray = new Map<Instance, FoundHandler>()
  for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()]) {
    const handlers = handlersOf(wrapper, scanner, eventOf)
    const [first] = handlers
    if (first === undefined) continue
    if (isProvidedAsItself(wrapper) && handlers.every((handler) => hasItsEnhancers(wrapper, handler))) {
      assertLasting(wrapper, first)
      found.set(first.instance, handlers)
    } else {
      astray.set(first.instance, first)
    }
  }
  for (const [instance, handler] of astray) {
    if (found.has(instance)) continue // another name of a provider
    throw new TypeError(
      `${describe(handler)}: put its class itself into the providers of a module. Nest does not find the guards of a controller, or of what a factory, a value or another token provides`,
    )
  }
  return [...found.values()].flat()
}

function handlersOf({ instance, id }: Wrapper, scanner: MetadataScanner, eventOf: EventOf): FoundHandler[] {
  if (!isInstance(instance)) return []
  return scanner.getAllMethodNames(Object.getPrototypeOf(instance)).flatMap((method) => {
    const event = eventOf(instance[method] as object) // the scanner names functions only
    return event === undefined ? [] : [{ event, instance, method, providerId: id }]
  })
}

function isInstance(value: unknown): value is Instance {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) !== null
}

/** @throws TypeError for what Nest makes anew for each request: there would be no instance to call, or no guard to ask. */
function assertLasting(wrapper: Wrapper, handler: FoundHandler): void {
  if (!wrapper.isTransient && wrapper.isDependencyTreeStatic()) return
  throw new TypeError(
    `${describe(handler)}: its class is request-scoped or transient, or has something request-scoped injected, or a request-scoped guard, pipe, interceptor or filter, of its own or of the whole application. Handlers live as long as the application: give it the default scope, and ask ModuleRef.resolve() for what is to live for one call`,
  )
}

function isProvidedAsItself({ instance, metatype, host }: Wrapper): boolean {
  return metatype === (instance as object).constructor && metatype !== null && host?.providers.get(metatype)?.instance === instance
}

// The names by which Nest notes down what @UseGuards and the like were given.
const ENHANCERS = ['__guards__', '__interceptors__', '__pipes__', '__exceptionFilters__']

/** Whether Nest has made what applies to a handler. The first versions of Nest 11 do not for what `useClass` provides, and leave it out without a word. */
function hasItsEnhancers({ host }: Wrapper, { instance, method }: FoundHandler): boolean {
  const targets = [instance.constructor, instance[method] as object]
  const enhancers = targets.flatMap((target) => ENHANCERS.flatMap((key) => (Reflect.getMetadata(key, target) ?? []) as unknown[]))
  return enhancers.every((enhancer) => typeof enhancer !== 'function' || host?.injectables.has(enhancer) === true)
}

/** How messages name a handler. */
export function describe({ event, instance, method }: FoundHandler): string {
  return `@RealtimeHandler(${JSON.stringify(event)}) ${instance.constructor.name}.${method}`
}

const CONTEXT = 'realtime'
const NOTHING_ELSE = { guards: false, interceptors: false, filters: false }
const PAYLOAD = 'realtime:payload'
// As Nest notes down a parameter with @Body(): what pipes are told of a payload is what they are told of a body.
const BODY = { '3:0': { index: 0, pipes: [] } }

/** What calls a handler as Nest calls one: guards, interceptors, pipes, the method, and exception filters around them. */
export function toCall({ instance, method, providerId }: FoundHandler, creator: ExternalContextCreator): (context: MiddlewareContext) => Promise<unknown> {
  const original = instance[method] as Instance[string] // it was found there
  const transform = toTransform(instance, method, providerId, original, creator)
  const handler = likeMethod(original, async (context: MiddlewareContext) => original.call(instance, { ...context, payload: await transform(context.payload) }))
  const call = creator.create(instance as never, handler as never, method, undefined, undefined, undefined, providerId, undefined, CONTEXT)
  return async (sdkContext) => {
    const context = { ...sdkContext, fail: withQuietFailures(sdkContext.fail) }
    try {
      const result: unknown = await call(context, context.payload, context.event)
      if (result instanceof Error) throw result // what a filter made of an exception
      return result
    } catch (thrown) {
      throw toFailure(thrown, context.fail)
    }
  }
}

/** The pipes of a handler, applied to its payload. */
function toTransform(
  instance: Instance,
  method: string,
  providerId: string,
  original: object,
  creator: ExternalContextCreator,
): (payload: unknown) => Promise<unknown> {
  // A name of its own, since Nest keeps one list of parameters for each method.
  const name = `${method}(payload)`
  Reflect.defineMetadata(PAYLOAD, BODY, instance.constructor, name)
  const pass = likeMethod(original, (payload: unknown) => payload)
  const factory = { exchangeKeyForValue: (_type: number, _data: unknown, [payload]: readonly unknown[]) => payload }
  return creator.create(instance as never, pass as never, name, PAYLOAD, factory, undefined, providerId, NOTHING_ELSE, CONTEXT)
}

/** Nest reads what applies to a method, and guards read their own metadata, from the function itself. */
function likeMethod<F extends object>(original: object, like: F): F {
  for (const key of Reflect.getMetadataKeys(original)) Reflect.defineMetadata(key, Reflect.getMetadata(key, original), like)
  return Object.defineProperty(like, 'name', { value: Reflect.get(original, 'name') })
}
