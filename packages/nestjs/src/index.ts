export type { ContextOf, HandlerDecorator } from './handler.js'
export { createRealtimeNest, type RealtimeModuleClass, type RealtimeModuleOptions, type RealtimeNest } from './module.js'
