import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { AppUser } from './realtime.js'

export const Roles = Reflector.createDecorator<ReadonlyArray<AppUser['role']>>()

@Injectable()
export class RolesGuard implements CanActivate {
  constructor(@Inject(Reflector) private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const roles = this.reflector.get(Roles, context.getHandler())
    const { user } = context.switchToHttp().getRequest<{ user: AppUser }>() // of a route, or of an event
    return roles === undefined || roles.includes(user.role)
  }
}
