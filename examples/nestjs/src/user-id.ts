import * as z from 'zod'
import { SchemaPipe } from './schema.pipe.js'

/** The ids of users that the server takes. */
export const UserId = z.string().regex(/^[\w.@|-]{1,128}$/)

export const userId = new SchemaPipe(UserId)
