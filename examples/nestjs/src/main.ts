import 'reflect-metadata'
import { randomBytes } from 'node:crypto'
import { NestFactory } from '@nestjs/core'
import type { EnvironmentOptions } from '@org/realtime-server'
import { AppModule } from './app.module.js'
import { SETTINGS } from './settings.module.js'
import { signToken } from './token.js'

const USERS = ['ada', 'grace']

async function main(): Promise<void> {
  // Without a secret of yours, one that ends with this process will do for looking around.
  process.env['JWT_SECRET'] ||= randomBytes(48).toString('base64')
  const app = await NestFactory.create(AppModule, { logger: ['warn', 'error', 'fatal'], abortOnError: false })
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true })
  const { port, path, jwt } = app.get<EnvironmentOptions>(SETTINGS)
  await app.listen(port)

  const { port: open } = app.getHttpServer().address()
  const url = `http://localhost:${open}`
  console.log(`Serving on ${url} (path ${path}). Connect with socket.io-client and auth: { token }:\n`)
  for (const userId of USERS) console.log(`  ${userId.padEnd(6)} ${await signToken(userId, jwt)}`)
  console.log(`\nTo notify ada:\n\n  curl -H 'content-type: application/json' -d '{"message":"Well done"}' ${url}/users/ada/notifications\n\nCtrl-C ends it.`)
}

main().catch((error: unknown) => {
  console.error(explain(error))
  process.exit(1)
})

function explain(error: unknown): unknown {
  if (error instanceof TypeError) {
    return `Cannot start: ${error.message}`
  }
  const { code, port } = error as { code?: string; port?: number }
  return code === 'EADDRINUSE' ? `Port ${port} is taken. Set WS_PORT to another, or 0 for a free one.` : error
}
