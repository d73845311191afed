import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type DynamicModule,
  type ExceptionFilter,
  type ExecutionContext,
  ForbiddenException,
  Get,
  HttpException,
  HttpStatus,
  Inject,
  Injectable,
  Logger,
  type NestInterceptor,
  NotFoundException,
  type OnModuleDestroy,
  type PipeTransform,
  Scope,
  ServiceUnavailableException,
  SetMetadata,
  UnauthorizedException,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common'
import { APP_FILTER, APP_GUARD, APP_PIPE, NestFactory, Reflector } from '@nestjs/core'
import { Test } from '@nestjs/testing'
import { RealtimeError } from '@org/realtime-client'
import { createRealtimeNest } from '@org/realtime-nestjs'
import { type MiddlewareContext, optionsFromEnv } from '@org/realtime-server'
import { catchError, map, type Observable, throwError } from 'rxjs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { contract } from './contract.js'
import { createTestClient, rejection, SECRET, signToken, type TestUser, TRANSPORTS, testJwt, until } from './harness.js'
import { type Context, createNest, PLATFORMS, Realtime, RealtimeHandler, RealtimeModule, startNest, toModule } from './nest.js'

@Injectable()
class Echo {
  @RealtimeHandler('echo')
  echo({ payload }: Context<'echo'>) {
    return payload
  }
}

@Controller()
class Page {
  constructor(@Inject(Realtime) private readonly realtime: Realtime) {}

  @Get('page')
  page() {
    return 'page'
  }

  @Get('ready')
  ready() {
    return { ready: this.realtime.ready }
  }
}

describe.each(PLATFORMS)('a Nest application on %s', (platform) => {
  test.each(TRANSPORTS)('serves clients over %s beside its routes, from any provider, and injects the server', async (transport) => {
    @Injectable()
    class Notes {
      constructor(@Inject(Realtime) private readonly realtime: Realtime) {}

      @RealtimeHandler('take')
      async take({ payload, user, fail }: Context<'take'>) {
        if (payload.id === 'gone') throw fail('NOT_FOUND', { id: payload.id })
        this.realtime.toUser(user.userId).emit('note', { text: payload.id })
        return { left: 1 }
      }
    }
    // The feature's module does not import the realtime one.
    const feature = toModule({ providers: [Notes] })
    const { client, url, errors } = await startNest({ imports: [feature], controllers: [Page], providers: [Echo] }, { platform })
    const ada = await client('ada', transport)
    const note = new Promise((resolve) => ada.on('note', resolve))
    expect(await ada.request('echo', { text: 'x' })).toEqual({ text: 'x' })
    expect(await ada.request('take', { id: 'a' })).toEqual({ left: 1 })
    expect(await note).toEqual({ text: 'a' })
    expect(await ada.tryRequest('take', { id: 'gone' })).toMatchObject({ ok: false, error: { code: 'NOT_FOUND', data: { id: 'gone' } } })
    expect(await (await fetch(`${url}/page`)).text()).toBe('page')
    expect(await (await fetch(`${url}/ready`)).json()).toEqual({ ready: true })
    expect(errors).toEqual([])
  })

  test('drains before the HTTP server and the modules that handlers need are closed', async () => {
    const order: string[] = []
    let finish: (() => void) | undefined
    @Injectable()
    class Database implements OnModuleDestroy {
      isOpen = true
      onModuleDestroy() {
        order.push('database')
        this.isOpen = false
      }
    }
    @Injectable()
    class Slow {
      constructor(@Inject(Database) private readonly database: Database) {}

      @RealtimeHandler('echo')
      async echo({ payload }: Context<'echo'>) {
        await new Promise<void>((resolve) => (finish = resolve))
        return { text: `${payload.text} ${this.database.isOpen}` }
      }
    }
    const database = toModule({ providers: [Database], exports: [Database] })
    const { app, client, realtime } = await startNest(
      { imports: [database, toModule({ imports: [database], providers: [Slow] })] },
      { platform, options: { drainMs: 600_000 } },
    )
    app.getHttpServer().once('close', () => order.push('http'))
    const ada = await client('ada')
    const reply = ada.request('echo', { text: 'open:' })
    await until(() => finish !== undefined)
    const closed = app.close()
    await until(() => !realtime.ready)
    finish?.()
    expect(await reply).toEqual({ text: 'open: true' })
    await closed
    expect(order).toEqual(['database', 'http'])
  })
})

describe('a handler', () => {
  test('is called within guards, interceptors, pipes and filters, of the method, the class and the application, in the order of Nest', async () => {
    const order: string[] = []
    const guard = (name: string): CanActivate => ({ canActivate: () => Boolean(order.push(`guard ${name}`)) })
    const pipe = (name: string): PipeTransform => ({
      transform: ({ text }: { text: string }, { type }) => {
        order.push(`pipe ${name} ${type}`)
        return { text: `${text}${name}` }
      },
    })
    const interceptor = (name: string): NestInterceptor => ({
      intercept: (_context, next) => {
        order.push(`before ${name}`)
        return next.handle().pipe(
          map((reply: { text: string }) => {
            order.push(`after ${name}`)
            return { text: `${reply.text}!` }
          }),
        )
      },
    })
    @UseGuards(guard('class'))
    @UsePipes(pipe('c'))
    @UseInterceptors(interceptor('class'))
    @Injectable()
    class Handlers {
      readonly #own = 'own'

      @UseGuards(guard('method'))
      @UsePipes(pipe('m'))
      @RealtimeHandler('echo')
      @UseInterceptors(interceptor('method'))
      echo({ payload, user }: Context<'echo'>) {
        order.push(`${this.#own} handler of ${user.userId}`)
        return payload
      }
    }
    const { client } = await startNest(
      { providers: [Handlers, { provide: APP_GUARD, useValue: guard('APP_GUARD') }, { provide: APP_PIPE, useValue: pipe('a') }] },
      {
        prepare: (app) => {
          app.useGlobalGuards(guard('global'))
          app.useGlobalPipes(pipe('g'), new ValidationPipe({ whitelist: true }))
          app.useGlobalInterceptors(interceptor('global'))
        },
      },
    )
    expect(await (await client('ada')).request('echo', { text: '' })).toEqual({ text: 'agcm!!!' })
    expect(order).toEqual([
      'guard APP_GUARD',
      'guard global',
      'guard class',
      'guard method',
      'before global',
      'before class',
      'before method',
      'pipe a body',
      'pipe g body',
      'pipe c body',
      'pipe m body',
      'own handler of ada',
      'after method',
      'after class',
      'after global',
    ])
  })

  test('shows guards the user, the payload, the event, and what is noted on the method', async () => {
    const seen: unknown[] = []
    @Injectable()
    class RolesGuard implements CanActivate {
      constructor(@Inject(Reflector) private readonly reflector: Reflector) {}

      canActivate(context: ExecutionContext) {
        const role = this.reflector.getAllAndOverride<string>('role', [context.getHandler(), context.getClass()])
        const ws = context.switchToWs()
        seen.push([
          context.getType(),
          context.getClass(),
          context.getHandler().name,
          role,
          ws.getClient<MiddlewareContext>().event,
          ws.getData(),
          ws.getPattern(),
        ])
        // As a guard for routes reads it.
        return context.switchToHttp().getRequest<{ user: TestUser }>().user.role === role
      }
    }
    @UseGuards(RolesGuard)
    @Injectable()
    class Handlers {
      @SetMetadata('role', 'member')
      @RealtimeHandler('echo')
      echo({ payload }: Context<'echo'>) {
        return payload
      }

      @SetMetadata('role', 'admin')
      @RealtimeHandler('done')
      done() {}
    }
    const { client, errors } = await startNest({ providers: [Handlers] })
    const ada = await client('ada')
    expect(await ada.request('echo', { text: 'x' })).toEqual({ text: 'x' })
    expect(await ada.tryRequest('done')).toMatchObject({ error: { code: 'FORBIDDEN', message: 'Forbidden resource' } })
    expect(seen).toEqual([
      ['realtime', Handlers, 'echo', 'member', 'echo', { text: 'x' }, 'echo'],
      ['realtime', Handlers, 'done', 'admin', 'done', undefined, 'done'],
    ])
    expect(errors).toEqual([])
  })

  test('is guarded, or refused when the application starts, however its class is provided', async () => {
    @Injectable()
    class Never implements CanActivate {
      canActivate() {
        return false
      }
    }
    @UseGuards(Never)
    @Injectable()
    class Guarded extends Echo {}
    const started = await startNest({ providers: [{ provide: Guarded, useClass: Guarded }] }).catch((error: TypeError) => error)
    if (started instanceof TypeError) return
    expect(await (await started.client('ada')).tryRequest('echo', { text: 'x' })).toMatchObject({ error: { code: 'FORBIDDEN' } })
  })

  test('has guards that are transient, of its class and of the application, made as Nest makes them', async () => {
    const asked: string[] = []
    @Injectable()
    class Policy {
      allows(name: string): boolean {
        return Boolean(asked.push(name))
      }
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class OwnGuard implements CanActivate {
      constructor(@Inject(Policy) private readonly policy: Policy) {}

      canActivate() {
        return this.policy.allows('own')
      }
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class EveryGuard implements CanActivate {
      constructor(@Inject(Policy) private readonly policy: Policy) {}

      canActivate() {
        return this.policy.allows('every')
      }
    }
    @UseGuards(OwnGuard)
    @Injectable()
    class Guarded extends Echo {}
    const { client } = await startNest({ providers: [Policy, Guarded, { provide: APP_GUARD, useClass: EveryGuard }] })
    expect(await (await client('ada')).request('echo', { text: 'x' })).toEqual({ text: 'x' })
    expect(asked).toEqual(['every', 'own'])
  })

  test.each([
    ['ForbiddenException', () => new ForbiddenException('not yours'), { code: 'FORBIDDEN', message: 'not yours' }],
    ['UnauthorizedException', () => new UnauthorizedException(), { code: 'FORBIDDEN', message: 'Unauthorized' }],
    ['ServiceUnavailableException', () => new ServiceUnavailableException('later'), { code: 'UNAVAILABLE', message: 'later' }],
    [
      'what a pipe throws',
      () => new BadRequestException(['age must not be less than 18']),
      { code: 'INVALID_PAYLOAD', data: { issues: [{ path: [], message: 'age must not be less than 18' }] } },
    ],
    ['429', () => new HttpException('slowly', HttpStatus.TOO_MANY_REQUESTS), { code: 'RATE_LIMITED', message: 'slowly' }],
    ['what has the shape of a WsException', () => Object.assign(new Error('no'), { getError: () => 'no' }), { code: 'FORBIDDEN', message: 'no' }],
  ])('that throws %s is answered so, and it is no fault of the server', async (_name, make, expected) => {
    @Injectable()
    class Handlers {
      @RealtimeHandler('done')
      done() {
        throw make()
      }
    }
    const { client, errors } = await startNest({ providers: [Handlers] })
    expect(await (await client('ada')).tryRequest('done')).toMatchObject({ ok: false, error: { origin: 'remote', ...expected } })
    expect(errors).toEqual([])
  })

  test.each([
    ['an exception without a code here', () => new NotFoundException('secret')],
    ['any other error', () => new Error('secret')],
    ['a RealtimeError that fail did not make', () => new RealtimeError('LOCKED', 'secret')],
    ['what is no error', () => 'secret'],
  ])('that throws %s is answered INTERNAL, and the cause comes to onError', async (_name, make) => {
    const thrown = make()
    @Injectable()
    class Handlers {
      @RealtimeHandler('done')
      done() {
        throw thrown
      }
    }
    const { client, errors } = await startNest({ providers: [Handlers] })
    const error = await rejection((await client('ada')).request('done'))
    expect(error).toMatchObject({ code: 'INTERNAL' })
    expect((error as Error).message).not.toContain('secret')
    expect(errors).toEqual([thrown])
  })

  test('fails by what fail made, from a guard, an interceptor and a filter, without a word in the log', async () => {
    const log = vi.spyOn(Logger.prototype, 'error')
    onTestFinished(() => log.mockRestore())
    const contextOf = (host: ArgumentsHost): Context<'take'> => host.switchToWs().getClient()
    class Missing extends Error {}
    const guard: CanActivate = {
      canActivate: (host) => {
        if (contextOf(host).payload.id === 'guard') throw contextOf(host).fail('LOCKED')
        return true
      },
    }
    const interceptor: NestInterceptor = {
      intercept: (_host, next: CallHandler): Observable<unknown> =>
        next
          .handle()
          .pipe(catchError((error: unknown) => throwError(() => (error instanceof RealtimeError && error.code === 'LOCKED' ? new Missing() : error)))),
    }
    @Catch(Missing)
    class MissingFilter implements ExceptionFilter {
      catch(_exception: Missing, host: ArgumentsHost) {
        const { fail, payload } = contextOf(host)
        return fail('NOT_FOUND', { id: payload.id }) // returned or thrown
      }
    }
    @UseGuards(guard)
    @UseInterceptors(interceptor)
    @UseFilters(MissingFilter)
    @Injectable()
    class Handlers {
      @RealtimeHandler('take')
      take({ payload, fail }: Context<'take'>): { left: number } {
        if (payload.id === 'missing') throw new Missing()
        throw payload.id === 'locked' ? fail('LOCKED') : fail('UNAVAILABLE', { retryAfterMs: 5 })
      }
    }
    const { client, errors } = await startNest({ providers: [Handlers] })
    const ada = await client('ada')
    expect(await ada.tryRequest('take', { id: 'guard' })).toMatchObject({ error: { code: 'LOCKED' } })
    expect(await ada.tryRequest('take', { id: 'missing' })).toMatchObject({ error: { code: 'NOT_FOUND', data: { id: 'missing' } } })
    expect(await ada.tryRequest('take', { id: 'locked' })).toMatchObject({ error: { code: 'NOT_FOUND', data: { id: 'locked' } } })
    expect(await ada.tryRequest('take', { id: 'x' })).toMatchObject({ error: { code: 'UNAVAILABLE', data: { retryAfterMs: 5 } } })
    expect(errors).toEqual([])
    expect(log).not.toHaveBeenCalled()
  })

  test('has filters of the application around it, which may answer in its place, and takes what fail made for a RealtimeError', async () => {
    const caught: unknown[] = []
    @Catch()
    class Everything implements ExceptionFilter {
      catch(exception: unknown) {
        caught.push(exception)
        return { text: 'instead' }
      }
    }
    @Injectable()
    class Handlers {
      @RealtimeHandler('echo')
      echo({ fail }: Context<'echo'>): { text: string } {
        throw fail('UNAVAILABLE')
      }
    }
    const { client } = await startNest({ providers: [Handlers, { provide: APP_FILTER, useClass: Everything }] })
    expect(await (await client('ada')).request('echo', { text: 'x' })).toEqual({ text: 'instead' })
    expect(caught[0]).toBeInstanceOf(RealtimeError)
    expect(caught).toMatchObject([{ code: 'UNAVAILABLE', retryable: true, name: 'RealtimeError' }])
  })

  test('may be inherited, and be known by another name, too', async () => {
    abstract class Base {
      abstract suffix(): string

      @RealtimeHandler('echo')
      echo({ payload }: Context<'echo'>) {
        return { text: payload.text + this.suffix() }
      }
    }
    @Injectable()
    class Handlers extends Base {
      suffix() {
        return '!'
      }
    }
    const { client } = await startNest({ providers: [{ provide: 'ALIAS', useExisting: Handlers }, Handlers] })
    expect(await (await client('ada')).request('echo', { text: 'x' })).toEqual({ text: 'x!' })
  })

  test('of an event without a reply fails on error', async () => {
    @Injectable()
    class Handlers {
      @RealtimeHandler('say')
      say({ fail }: Context<'say'>) {
        throw fail('FORBIDDEN', undefined, 'not now')
      }
    }
    const { client } = await startNest({ providers: [Handlers] })
    const ada = await client('ada')
    const error = new Promise((resolve) => ada.on('error', resolve))
    ada.emit('say', { text: 'x' })
    expect(await error).toMatchObject({ code: 'FORBIDDEN', message: 'not now', event: 'say' })
  })
})

describe('what cannot work is said when the application starts', () => {
  /** What `listen` rejects with. */
  async function refusal(metadata: Parameters<typeof createNest>[0], options: Parameters<typeof createNest>[1] = {}): Promise<string> {
    const error = await rejection(createNest(metadata, options).then(({ app }) => app.listen(0, '127.0.0.1')))
    expect(error).toBeInstanceOf(TypeError)
    return (error as TypeError).message
  }

  test('two handlers of one event', async () => {
    @Injectable()
    class Another {
      @RealtimeHandler('echo')
      repeat({ payload }: Context<'echo'>) {
        return payload
      }
    }
    expect(await refusal({ providers: [Echo, Another] })).toBe(
      '@RealtimeHandler("echo") Another.repeat: @RealtimeHandler("echo") Echo.echo handles this event already, and an event has one handler',
    )
  })

  test('a handler beside one of realtime.on', async () => {
    @Injectable()
    class Other {
      constructor(@Inject(Realtime) realtime: Realtime) {
        realtime.on('echo', ({ payload }) => payload)
      }
    }
    expect(await refusal({ providers: [Echo, Other] })).toMatch(/^@RealtimeHandler\("echo"\) Echo\.echo: on\("echo"\): there is a handler already/)
  })

  test('an event that is not in the contract', async () => {
    @Injectable()
    class Misnamed {
      @RealtimeHandler('ecoh' as 'echo')
      echo({ payload }: Context<'echo'>) {
        return payload
      }
    }
    expect(await refusal({ providers: [Misnamed] })).toMatch(/^@RealtimeHandler\("ecoh"\) Misnamed\.echo: .*"tests" has no such event/)
  })

  test('a handler that is request-scoped or transient, or has a request-scoped dependency', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}
    @Injectable({ scope: Scope.REQUEST })
    class Scoped extends Echo {}
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient extends Echo {}
    @Injectable()
    class Dependent extends Echo {
      constructor(@Inject(PerRequest) readonly perRequest: PerRequest) {
        super()
      }
    }
    for (const provider of [Scoped, Transient, Dependent]) {
      expect(await refusal({ providers: [provider, PerRequest] })).toMatch(
        new RegExp(`^@RealtimeHandler\\("echo"\\) ${provider.name}\\.echo: .*class is request-scoped or transient.*default scope`),
      )
    }
  })

  test('a request-scoped guard, of the class or of the whole application, which would not be asked', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class ScopedGuard implements CanActivate {
      canActivate() {
        return true
      }
    }
    @UseGuards(ScopedGuard)
    @Injectable()
    class Guarded extends Echo {}
    expect(await refusal({ providers: [Guarded] })).toMatch(/Guarded\.echo: .*request-scoped guard/)
    expect(await refusal({ providers: [Echo, { provide: APP_GUARD, useClass: ScopedGuard, scope: Scope.REQUEST }] })).toMatch(
      /Echo\.echo: .*request-scoped guard/,
    )
  })

  test('a handler in a controller, or in what another token or a factory provides', async () => {
    @Controller()
    class Mixed extends Echo {}
    for (const metadata of [
      { controllers: [Mixed] },
      { providers: [{ provide: 'OTHER', useClass: Echo }] },
      { providers: [{ provide: Echo, useFactory: () => new Echo() }] },
      { providers: [{ provide: Echo, useValue: new Echo() }] },
    ]) {
      expect(await refusal(metadata)).toMatch(/^@RealtimeHandler\("echo"\) (Mixed|Echo)\.echo: put its class itself into the providers of a module/)
    }
  })

  test('a method that is to handle two events, and what is no method', () => {
    expect(() => {
      class Twice {
        @RealtimeHandler('done')
        @RealtimeHandler('poke')
        both() {}
      }
      return Twice
    }).toThrow('@RealtimeHandler("done"): both handles "poke" already, and a method handles one event')
    expect(() => RealtimeHandler('poke')({}, 'x', {} as never)).toThrow(/x is no method of an instance/)
    expect(() => RealtimeHandler('poke')(class {}, 'x', { value: () => {} })).toThrow(/x is no method of an instance/) // a static one
  })

  test('a module that is imported twice', async () => {
    expect(await refusal({ imports: [RealtimeModule.forRoot({ authenticate: testJwt(), drainMs: 1 })] })).toMatch(/called more than once/)
  })

  test('options that are wrong', async () => {
    for (const drainMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await refusal({}, { options: { drainMs } })).toMatch(/drainMs must be a number of milliseconds/)
    }
    expect(await refusal({}, { options: { drain: 1 } as never })).toMatch(/unknown option "drain"/)
  })

  test('an application without an HTTP server', async () => {
    const root = toModule({ imports: [RealtimeModule.forRoot({ authenticate: testJwt() })] })
    const error = await rejection(NestFactory.createApplicationContext(root, { logger: false, abortOnError: false }))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as TypeError).message).toMatch(/no HTTP server to attach to.*createRealtimeEmitter/)
  })
})

describe('the module', () => {
  test('takes its options from elsewhere, by a factory and by a class', async () => {
    const env = { JWT_SECRET: SECRET, WS_PATH: '/realtime/' }
    const config: DynamicModule = { module: class ConfigModule {}, providers: [{ provide: 'ENV', useValue: env }], exports: ['ENV'] }
    const toOptions = async (from: typeof env) => ({ path: optionsFromEnv(from).path, authenticate: testJwt() })
    @Injectable()
    class Options {
      create() {
        return toOptions(env)
      }
    }
    for (const imported of [
      RealtimeModule.forRootAsync({ imports: [config], inject: ['ENV'], useFactory: toOptions }),
      RealtimeModule.forRootAsync({ useClass: Options }),
    ]) {
      const app = await NestFactory.create(toModule({ imports: [imported], providers: [Echo] }), { logger: false, abortOnError: false })
      await app.listen(0, '127.0.0.1')
      expect(app.get(Realtime).io.path()).toBe('/realtime')
      expect(app.get(Realtime).ready).toBe(true)
      await app.close()
      expect(app.get(Realtime).ready).toBe(false)
    }
  })

  test('that is not global is for those who import it', async () => {
    const local = toModule({ imports: [RealtimeModule.forRoot({ authenticate: testJwt(), isGlobal: false })], exports: [RealtimeModule] })
    const importing = toModule({ imports: [local], controllers: [Page] })
    const app = await NestFactory.create(toModule({ imports: [importing] }), { logger: false, abortOnError: false })
    await app.init()
    await app.close()
    const other = toModule({ imports: [local, toModule({ controllers: [Page] })] })
    expect(await rejection(NestFactory.create(other, { logger: false, abortOnError: false }))).toMatchObject({
      message: expect.stringMatching(/resolve dependencies of the Page/),
    })
  })

  test('is one for each contract, and each has its own handlers', async () => {
    const second = createRealtimeNest<typeof contract, TestUser>(contract)
    @Injectable()
    class Both {
      @RealtimeHandler('echo')
      first() {
        return { text: 'first' }
      }

      @second.RealtimeHandler('echo')
      second() {
        return { text: 'second' }
      }
    }
    const { realtime, client, app } = await startNest({
      imports: [second.RealtimeModule.forRoot({ authenticate: testJwt(), path: '/second/' })],
      providers: [Both],
    })
    expect(await (await client('ada')).request('echo', { text: '' })).toEqual({ text: 'first' })
    expect(app.get(second.Realtime)).not.toBe(realtime)
    expect(app.get(second.Realtime).io.path()).toBe('/second')
  })

  test('lets a middleware of the server be added, which is outside of everything of Nest', async () => {
    const order: string[] = []
    @Injectable()
    class Logging {
      constructor(@Inject(Realtime) realtime: Realtime) {
        realtime.use(async ({ event, user }, next) => {
          order.push(`${user.userId} ${event}`)
          await next()
          order.push('done')
        })
      }
    }
    const guard: CanActivate = { canActivate: () => Boolean(order.push('guard')) }
    const { client } = await startNest({ providers: [Echo, Logging] }, { prepare: (app) => app.useGlobalGuards(guard) })
    await (await client('ada')).request('echo', { text: 'x' })
    expect(order).toEqual(['ada echo', 'guard', 'done'])
  })

  test('closes on a signal, where shutdown hooks are enabled', async () => {
    const { app, client, realtime } = await startNest({ providers: [Echo] }, { prepare: (prepared) => prepared.enableShutdownHooks(['SIGUSR2']) })
    const ada = await client('ada')
    // Nest sends the signal to the process again when it is done.
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    onTestFinished(() => kill.mockRestore())
    const notice = new Promise((resolve) => ada.on('$disconnect', resolve))
    process.emit('SIGUSR2')
    expect(await notice).toMatchObject({ code: 'UNAVAILABLE' })
    await until(() => kill.mock.calls.length === 1)
    expect(realtime.ready).toBe(false)
    expect(app.getHttpServer().listening).toBe(false)
  })

  test("runs in Nest's testing module, with providers of the test's own", async () => {
    @Injectable()
    class Store {
      left(): number {
        throw new Error('no database')
      }
    }
    @Injectable()
    class Handlers {
      constructor(@Inject(Store) private readonly store: Store) {}

      @RealtimeHandler('take')
      take() {
        return { left: this.store.left() }
      }
    }
    const imports = [RealtimeModule.forRoot({ authenticate: testJwt() })]
    const testing = await Test.createTestingModule({ imports, providers: [Store, Handlers] })
      .overrideProvider(Store)
      .useValue({ left: () => 7 })
      .compile()
    const app = testing.createNestApplication()
    await app.listen(0, '127.0.0.1')
    onTestFinished(() => app.close())
    const client = createTestClient(contract, { url: await app.getUrl(), getToken: () => signToken('ada') })
    await client.connect()
    expect(await client.request('take', { id: 'x' })).toEqual({ left: 7 })
  })
})
