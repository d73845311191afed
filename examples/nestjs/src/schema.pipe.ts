import { BadRequestException, type PipeTransform } from '@nestjs/common'
import type * as z from 'zod'

/** Lets a value through that matches a schema: what an event says of its payload holds for the routes, too. */
export class SchemaPipe<T> implements PipeTransform<unknown, T> {
  constructor(private readonly schema: z.ZodType<T>) {}

  transform(value: unknown): T {
    const parsed = this.schema.safeParse(value)
    if (!parsed.success) throw new BadRequestException(parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the value'}: ${message}`))
    return parsed.data
  }
}
