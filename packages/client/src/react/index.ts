'use client'
export { createRealtimeHooks, type RealtimeHooks, type RealtimeProviderProps, type RequestState, type RoomState, type UsersState } from './hooks.js'
