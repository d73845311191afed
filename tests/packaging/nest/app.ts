// A Nest application as its own compiler builds it, with the types of parameters in metadata: as CommonJS and as ES modules, on every supported major.
import 'reflect-metadata'
import assert from 'node:assert/strict'
import { Injectable, Module, type PipeTransform, UseFilters, UseGuards, UsePipes } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { createRealtimeClient } from '@org/realtime-client'
import { contract } from './contract.js'
import { type Context, Realtime, RealtimeHandler, RealtimeModule } from './realtime.js'
import { Roles, RolesGuard } from './roles.guard.js'
import { SoldOut, SoldOutFilter } from './sold-out.filter.js'

@Injectable()
class Upper implements PipeTransform<{ id: string }> {
  transform({ id }: { id: string }) {
    return { id: id.toUpperCase() }
  }
}

@UseGuards(RolesGuard)
@UseFilters(SoldOutFilter)
@Injectable()
class Handlers {
  constructor(private readonly realtime: Realtime) {}

  @UsePipes(Upper)
  @RealtimeHandler('take')
  async take({ payload, user }: Context<'take'>) {
    if (payload.id === 'GONE') throw new SoldOut()
    this.realtime.toUser(user.userId).emit('note', { text: payload.id })
    return { text: payload.id }
  }

  @Roles(['admin'])
  @RealtimeHandler('reset')
  reset(): void {}
}

@Module({
  imports: [RealtimeModule.forRootAsync({ useFactory: () => ({ authenticate: () => ({ userId: 'ada', role: 'member' as const }), drainMs: 100 }) })],
  providers: [Handlers],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'], abortOnError: false })
  await app.listen(0, '127.0.0.1')
  assert.equal(app.get(Realtime).ready, true)

  const client = createRealtimeClient(contract, { url: await app.getUrl() })
  await client.connect()
  const note = new Promise((resolve) => client.on('note', resolve))
  assert.deepEqual(await client.request('take', { id: 'a' }), { text: 'A' })
  assert.deepEqual(await note, { text: 'A' })
  const gone = await client.tryRequest('take', { id: 'gone' })
  assert.equal(!gone.ok && gone.error.code, 'GONE')
  const reset = await client.tryRequest('reset')
  assert.equal(!reset.ok && reset.error.code, 'FORBIDDEN')

  await app.close()
  client.close()
}

main().catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
