import type { EnvironmentOptions } from '@org/realtime-server'
import express, { type ErrorRequestHandler, type Request, type Router } from 'express'
import * as z from 'zod'
import { Achievement } from './contract.js'
import { RANKS } from './people.js'
import type { Parts, Service } from './service.js'
import { signToken } from './token.js'

const Login = z.strictObject({ userId: z.string(), lifetimeS: z.int().min(5).max(86_400).default(43_200) })
const Draft = z.strictObject({ title: z.string().trim().min(1).max(80), message: z.string().trim().min(1).max(280), type: z.string().max(40).optional() })
const Gain = z.strictObject({ amount: z.int().min(1).max(10_000), source: z.string().trim().min(1).max(80) })
const Promotion = z.strictObject({ rank: z.enum(RANKS) })
const Question = z.strictObject({ question: z.string().trim().min(1).max(280) })

/** What the rest of the company calls over HTTP. It has no authentication here: yours has. */
export function createApi(service: Service, { progress, realtime }: Parts, jwt: EnvironmentOptions['jwt']): Router {
  const api = express.Router()
  api.use(express.json({ limit: '16kb', strict: false }))
  api.param('userId', (_request, _response, next, userId: string) => next(progress.has(userId) ? undefined : noUser(userId)))

  // Stands for a login: whoever asks is who they say.
  api.post('/login', async (request, response) => {
    const { userId, lifetimeS } = read(Login, request)
    if (!progress.has(userId)) throw noUser(userId)
    const expiresAtMs = Date.now() + lifetimeS * 1000
    response.json({ token: await signToken(userId, jwt, lifetimeS), expiresAtMs })
  })

  api.get('/users/:userId', async ({ params: { userId } }, response) => {
    response.json({ ...service.profile(userId), devices: await realtime.presence.devices(userId) })
  })

  api.post('/users/:userId/notifications', async (request, response) => {
    response.status(201).json(await service.notify(request.params.userId, read(Draft, request)))
  })

  api.post('/users/:userId/notifications/:notificationId/read', ({ params: { userId, notificationId } }, response) => {
    if (!service.markRead(userId, notificationId)) throw noNotification(userId, notificationId)
    response.json({ notificationId, success: true })
  })

  api.delete('/users/:userId/notifications/:notificationId', ({ params: { userId, notificationId } }, response) => {
    if (!service.remove(userId, notificationId)) throw noNotification(userId, notificationId)
    response.json({ notificationId, deleted: true })
  })

  api.post('/users/:userId/xp', (request, response) => {
    const { amount, source } = read(Gain, request)
    response.json(service.grantXp(request.params.userId, amount, source))
  })

  api.post('/users/:userId/achievements', (request, response) => {
    const achievement = read(Achievement.strict(), request)
    service.unlock(request.params.userId, achievement)
    response.status(201).json(achievement)
  })

  api.put('/users/:userId/rank', (request, response) => {
    response.json(service.setRank(request.params.userId, read(Promotion, request).rank))
  })

  api.post('/users/:userId/confirm', async (request, response) => {
    response.json({ answers: await service.confirm(request.params.userId, read(Question, request).question) })
  })

  api.delete('/users/:userId/devices/:deviceId', async ({ params: { userId, deviceId } }, response) => {
    await service.logOut(userId, deviceId)
    response.json({ deviceId, loggedOut: true })
  })

  api.get('/leaderboard', (_request, response) => void response.json({ leaderboard: progress.leaderboard() }))
  api.post('/leaderboard', (_request, response) => void response.json({ leaderboard: service.publishLeaderboard() }))

  api.use(({ method, originalUrl }) => {
    throw new Refusal(404, `There is no ${method} ${originalUrl}`)
  })
  api.use(refuse)
  return api
}

/** A request that is not served, and why: for the one who sent it. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly issues?: ReadonlyArray<{ readonly path: string; readonly message: string }>,
  ) {
    super(message)
  }
}

const noUser = (userId: string): Refusal => new Refusal(404, `There is no user ${JSON.stringify(userId)}`)
const noNotification = (userId: string, id: string): Refusal => new Refusal(404, `${userId} has no notification ${JSON.stringify(id)}`)

function read<T>(schema: z.ZodType<T>, { body }: Request): T {
  if (body === undefined) throw new Refusal(400, 'A JSON body is needed, with the header content-type: application/json')
  const { success, data, error } = schema.safeParse(body)
  if (success) return data
  const issues = error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
  throw new Refusal(400, issues.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; '), issues)
}

const refuse: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error)
  const { status, message, issues } = toRefusal(error)
  if (status >= 500) console.error(error)
  response.status(status).json({ error: message, ...(issues && { issues }) })
}

/** What Express's own parsers throw has the status of a request that is wrong; anything else is a fault of this server. */
function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const { status, message } = Object(error) as { status?: number; message?: string }
  return status !== undefined && status >= 400 && status < 500
    ? new Refusal(status, `The request cannot be read: ${message}`)
    : new Refusal(500, 'The server failed')
}
