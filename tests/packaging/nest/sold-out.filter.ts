import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common'
import type { Context } from './realtime.js'

export class SoldOut extends Error {}

@Catch(SoldOut)
export class SoldOutFilter implements ExceptionFilter<SoldOut> {
  catch(_exception: SoldOut, host: ArgumentsHost) {
    const { fail } = host.switchToWs().getClient<Context<'take'>>()
    return fail('GONE') // or throw it
  }
}
